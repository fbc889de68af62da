package config

// misshapen reports blocks that Slack would refuse, filled in for the usual event
// of each source. What is wrong for one source and right for another is none: the
// rules may keep them apart.
func (k *checker) misshapen() {
	for _, t := range k.c.TargetsInOrder() {
		at := dot("targets", t.Name)
		if t.Slack == nil || k.brokenBelow(at) {
			continue
		}
		at += ".slack"
		type finding struct{ path, message, hint string }
		var found []finding
		seen := make(map[finding]int)
		sources := k.c.SourcesInOrder()
		for _, s := range sources {
			t.Slack.Misshapen(k.c.Env, samples(s)[0], func(path string, _, _ int, message, hint string) {
				f := finding{path, message, hint}
				if seen[f]++; seen[f] == 1 {
					found = append(found, f)
				}
			})
		}
		for _, f := range found {
			if seen[f] == len(sources) {
				path := dot(at, f.path)
				k.foreign(path, path, 0, 0, Problem{Message: f.message, Hint: f.hint})
			}
		}
	}
}
