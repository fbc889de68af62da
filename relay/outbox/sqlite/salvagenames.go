package sqlite

import (
	"context"
	"fmt"
	"strings"
)

// lostName stands for a name that cannot be known any more. No target, source or
// rule of a config has such a name: deliveries to it wait and go nowhere.
func lostName(id int64) string { return fmt.Sprint("damaged:", id) }

// loadNames reads the names as load does, from both ends, and goes on where
// Open does not: one that is not what was written, or not there, is lostName.
// Without checksums, in an older store, or where it is not known how many there
// were of what cannot be read to its end, nobody knows what goes where: then it
// is an error.
func (v *salvage) loadNames(ctx context.Context) error {
	v.names = newNames()
	sealed, err := count(ctx, v.from, "SELECT count(*) FROM pragma_table_info('names') WHERE name = 'crc'")
	if err != nil {
		return fault("read names", err)
	}
	text := namesSQL
	if sealed == 0 {
		text = strings.Replace(namesSQL, "crc", "0", 1)
	}
	rows, failed := readNames(ctx, v.from, text)
	if failed != nil {
		more, _ := readNames(ctx, v.from, strings.Replace(text, "ORDER BY kind", "ORDER BY kind DESC", 1)+" DESC")
		rows = append(rows, more...)
	}
	said, there, known, err := namesSaid(ctx, v.from)
	if err != nil {
		return fault("read names", err)
	}
	for i := range rows {
		there = there || rows[i].crc != 0
	}
	if v.older = !there; v.older { // of an older store, if with the schema of a new one
		if failed == nil {
			failed = v.names.take(rows)
			v.names.saved = [kinds]int{} // in the new store
		}
		return fault("read names", failed)
	}
	if failed != nil && !known {
		return fault("read names", failed)
	}
	v.fill(rows, said)
	return nil
}

// unlisted learns, and notes in the new store, which events do not list all
// their addresses.
func (v *salvage) unlisted(ctx context.Context, seqs []int64) (err error) {
	known := false
	if !v.older {
		if v.unlistedTo, known, err = unlistedTo(ctx, v.from); err != nil {
			known = false // what cannot be read is damaged too
		}
	}
	if !known {
		v.unlistedTo = 0
		if len(seqs) > 0 && len(v.names.all(kindAddress)) > maxBit {
			v.unlistedTo = seqs[len(seqs)-1]
		}
	}
	return fault("read", setUnlisted(ctx, v.to.conn, v.unlistedTo))
}

// fill takes the names that are whole, and counts those that are lost.
func (v *salvage) fill(rows []nameRow, said [kinds]int) {
	var whole [kinds]map[int64]string
	for k := range whole {
		whole[k] = map[int64]string{}
	}
	for _, r := range rows {
		if _, ok := r.mend(); !ok {
			continue
		}
		k := kindOf(r.kind)
		whole[k][r.id] = r.name
		said[k] = max(said[k], int(r.id))
	}
	for k := range whole {
		for id := int64(1); id <= int64(said[k]); id++ {
			name, ok := whole[k][id]
			if !ok {
				name = lostName(id)
				v.LostNames = append(v.LostNames, kindName(k)+" "+name)
			}
			v.names.number(k, name)
		}
	}
}
