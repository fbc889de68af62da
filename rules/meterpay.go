package rules

import "reflect"

// pay takes the price of a value from the meter, and gives the value back.
func pay(args ...any) (any, error) {
	m, _ := args[0].(*meter)
	p, _ := args[1].(price)
	if !m.spend(p.of(args[2], m.left)) {
		return nil, errWork
	}
	return args[2], nil
}

// turn pays for one turn of a loop.
func turn(args ...any) (any, error) {
	m, _ := args[0].(*meter)
	cost, _ := args[1].(int)
	if !m.spend(cost) {
		return nil, errWork
	}
	return nil, nil //nolint:nilnil // nobody looks at the value of a step
}

func (m *meter) spend(units int) bool {
	if m == nil {
		return false
	}
	m.left -= units
	return m.left >= 0
}

// of is the price of a value; it looks no further than what is left can pay.
func (p price) of(x any, left int) int {
	switch x := x.(type) {
	case nil, bool, int, float64:
		return 0
	case string:
		return len(x) * p.perByte / 16
	case []any:
		cost := len(x) * p.perItem / 16
		for i := 0; p.deep && i < len(x) && cost <= left; i++ {
			cost += 1 + p.of(x[i], left-cost)
		}
		return cost
	case map[string]any:
		if !p.deep {
			return 0 // nobody goes through it
		}
		cost := len(x) * p.perItem / 16
		for key, value := range x {
			if cost > left {
				break
			}
			cost += 1 + len(key)*p.perByte/16 + p.of(value, left-cost)
		}
		return cost
	}
	if v := reflect.ValueOf(x); v.Kind() == reflect.Slice || v.Kind() == reflect.Map && p.deep {
		return v.Len() * max(p.perItem, p.perByte) / 16
	}
	return 0
}
