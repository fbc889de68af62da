package sqlite

import (
	"os"
	"path/filepath"
)

// behindLinks is the store that a path leads to. SQLite follows a link and keeps
// the log beside the file it leads to: there our lock and mark belong as well, or
// a second process would come in by the other name. Other paths stay as they are,
// and so does one that leads into a folder that is not there, which nobody makes.
func behindLinks(link string) string {
	path := link
	for range 40 { // as many as a system follows
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			folder, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return link
			}
			to = filepath.Join(folder, to)
		}
		path = to
	}
	if _, err := os.Stat(filepath.Dir(path)); path != link && err != nil {
		return link
	}
	return path
}
