package relay_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"invitation-relay/relay/relaytest"
)

// promised are the metrics that people build alerts and pages on: with name,
// kind and labels each. Renaming one breaks what they have built.
var promised = []string{
	"relay_admin_requests_total COUNTER endpoint status",
	"relay_alarm_active GAUGE alarm",
	"relay_attempt_seconds HISTOGRAM target",
	"relay_attempts_total COUNTER outcome target",
	"relay_build_info GAUGE version",
	"relay_commit_events HISTOGRAM",
	"relay_commit_seconds HISTOGRAM",
	"relay_config_reload_success GAUGE",
	"relay_config_reload_timestamp_seconds GAUGE",
	"relay_dead_total COUNTER target",
	"relay_delivery_seconds HISTOGRAM target",
	"relay_must_route_broken_total COUNTER",
	"relay_oldest_pending_seconds GAUGE target",
	"relay_pending GAUGE target",
	"relay_rule_evaluations_total COUNTER rule verdict",
	"relay_target_held GAUGE target",
	"relay_unknown_members_total COUNTER source",
	"relay_unknown_values_total COUNTER source",
	"relay_webhooks_total COUNTER result source",
}

// families are the metrics of a relay that has done something.
func families(t *testing.T) []*dto.MetricFamily {
	hook := relaytest.NewTarget(t)
	w := startWorld(t, fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), hook.URL()))
	w.accepted(`{"id":"i-1"}`)
	if _, err := hook.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.get("/livez")
	all, err := w.r.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(w.r.Registry()); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	// What is scraped is what is registered.
	exposed := w.get("/metrics")
	for _, f := range all {
		if !strings.Contains(exposed, "# HELP "+f.GetName()+" ") {
			t.Errorf("%s is not on /metrics, or has no HELP", f.GetName())
		}
	}
	return all
}

func TestMetricsAreThosePromised(t *testing.T) {
	var got []string
	for _, f := range families(t) {
		if !strings.HasPrefix(f.GetName(), "relay_") {
			continue // of Go and of the process
		}
		line := f.GetName() + " " + f.GetType().String()
		for _, l := range f.GetMetric()[0].GetLabel() {
			line += " " + l.GetName()
		}
		got = append(got, line)
		if strings.HasSuffix(f.GetName(), "_seconds") && !strings.Contains(strings.ToLower(f.GetHelp()), "seconds") {
			t.Errorf("the HELP of %s does not say its unit: %s", f.GetName(), f.GetHelp())
		}
	}
	if diff := cmp.Diff(promised, got); diff != "" {
		t.Errorf("(-promised +got)\n%s", diff)
	}
}

var metricName = regexp.MustCompile(`\brelay_[a-z_]+[a-z]\b`)

// TestAlertsDashboardAndReadmeNameMetricsThatExist: and every metric that is
// promised stands in the dashboard or in the README.
func TestAlertsDashboardAndReadmeNameMetricsThatExist(t *testing.T) {
	exist, named := map[string]bool{}, map[string]bool{}
	for _, p := range promised {
		name, _, _ := strings.Cut(p, " ")
		exist[name] = true
		if strings.Contains(p, " HISTOGRAM") {
			exist[name+"_bucket"], exist[name+"_sum"], exist[name+"_count"] = true, true, true
		}
	}
	for _, file := range []string{"../README.md", "../CHANGELOG.md", "../config.example.yaml", "../deploy/prometheus/alerts.yaml", "../deploy/prometheus/alerts_test.yaml", "../deploy/grafana/dashboard.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := metricName.FindAllString(string(text), -1)
		if strings.Contains(file, "deploy") && len(names) < 10 {
			t.Errorf("%s names only %d metrics", file, len(names))
		}
		for _, name := range names {
			named[name] = true
			if !exist[name] {
				t.Errorf("%s names %s, which no relay has", file, name)
			}
		}
	}
	for name := range exist {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !named[base] && !named[base+"_bucket"] && !named[base+"_sum"] && base != "relay_admin_requests_total" {
			t.Errorf("nobody is told of %s", base)
		}
	}
}

func TestDashboardHasAQueryAndAPlaceForEveryPanel(t *testing.T) {
	text, err := os.ReadFile("../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ H, W, X, Y int }
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos place
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var ids []int
	used := map[[2]int]string{}
	for _, p := range d.Panels {
		if slices.Contains(ids, p.ID) || p.Title == "" {
			t.Errorf("panel %d %q: twice, or without a title", p.ID, p.Title)
		}
		ids = append(ids, p.ID)
		if p.Type != "row" && (len(p.Targets) == 0 || p.Targets[0].Expr == "") {
			t.Errorf("%s asks nothing", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := used[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				used[[2]int{x, y}] = p.Title
			}
		}
	}
	if len(ids) < 15 {
		t.Errorf("only %d panels", len(ids))
	}
}
