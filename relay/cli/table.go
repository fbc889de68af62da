package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// table writes rows as aligned columns under a header. What a stranger wrote
// stays in its cell.
func table(w io.Writer, header string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(header, " | ", "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = cell(c)
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return t.Flush()
}

// cell is text on one line, - when there is none.
func cell(text string) string {
	if text = visible(strings.Join(strings.Fields(text), " ")); text == "" {
		return "-"
	}
	return text
}

// localTime is a time for reading, in the zone of the machine; "" when there is none.
func localTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// zoned is a column's name with the zone of its times.
func zoned(column string) string { return column + " (" + time.Now().Local().Format("MST") + ")" }

// timed is a time with its zone and how far away it is.
func timed(t, now time.Time) string {
	return t.Local().Format("2006-01-02 15:04:05 MST") + " (" + away(t, now) + ")"
}

// away is how far a time is from now: "3m ago", "in 40s", "now".
func away(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d.Abs() < time.Second:
		return "now"
	case d > 0:
		return "in " + lasting(d)
	default:
		return lasting(-d) + " ago"
	}
}

// lasting is a duration in its two largest units: 45s, 3m, 2h10m, 4d2h.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(whole, unit time.Duration, a, b string) string {
		text := strconv.FormatInt(int64(d/whole), 10) + a
		if rest := d % whole / unit; rest > 0 {
			text += strconv.FormatInt(int64(rest), 10) + b
		}
		return text
	}
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	case d < time.Hour:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	case d < day:
		return two(time.Hour, time.Minute, "h", "m")
	default:
		return two(day, time.Hour, "d", "h")
	}
}

// counted is a number with its noun: 1 delivery, 1,204 deliveries.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// grouped is a number as people write it: 1,204.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
