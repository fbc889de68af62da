package config

import "slices"

// ReadAdminListen returns admin.listen of the file at path, for somebody who
// operates the relay that runs: whatever else is wrong with the file, or unset
// where it is read (the secrets of targets, as a rule), does not matter. A file
// that cannot be read is one problem that is ErrRead.
func ReadAdminListen(path string, o Options) (string, Problems) {
	data, problems := readFile(path)
	if problems != nil {
		return "", problems
	}
	f, c := decode(path, data, o)
	if c == nil {
		return "", f.problems
	}
	if !f.places["admin"].broken && !f.places["admin.listen"].broken {
		return c.Admin.Listen, nil
	}
	line := 0
	if p, _ := f.find("admin.listen"); p.value != nil {
		line = p.value.Line
	}
	about := slices.DeleteFunc(f.problems, func(p Problem) bool { return p.Warning || p.Line != line })
	if len(about) == 0 {
		about = Problems{{File: path, Message: "admin.listen cannot be read"}}
	}
	return "", about
}
