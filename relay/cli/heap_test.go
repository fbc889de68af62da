package cli

import "testing"

func TestAHeapHasRoomHoweverLittleIsInUse(t *testing.T) {
	for _, c := range []struct{ live, most uint64 }{{0, 0}, {2, 8}, {8, 32}, {10, 32}, {31, 32}, {32, 32}, {200, 200}} {
		if growth := c.live << 20 * uint64(gcPercent(c.live<<20)) / 100; growth>>20 != c.most && growth>>20 != c.most-1 {
			t.Errorf("with %d MB in use it may grow by %d MB, want %d", c.live, growth>>20, c.most)
		}
	}
}
