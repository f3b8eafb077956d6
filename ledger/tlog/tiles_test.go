package tlog

import (
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/google/go-cmp/cmp"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

func TestTilePaths(t *testing.T) {
	for path, want := range map[string]sumdb.Tile{
		"tile/0/000":                {H: 8, L: 0, N: 0, W: 256},
		"tile/0/x001/x234/067":      {H: 8, L: 0, N: 1234067, W: 256},
		"tile/1/000.p/1":            {H: 8, L: 1, N: 0, W: 1},
		"tile/2/x001/000.p/255":     {H: 8, L: 2, N: 1000, W: 255},
		"tile/entries/000":          {H: 8, L: -1, N: 0, W: 256},
		"tile/entries/x273/999.p/7": {H: 8, L: -1, N: 273999, W: 7},
	} {
		got, ok := parseTilePath(path)
		if !ok || got != want {
			t.Errorf("%s: got %+v, %v", path, got, ok)
		}
		if back := torchwood.TilePath(got); back != path {
			t.Errorf("%s is written as %s", path, back)
		}
	}
	for _, path := range []string{"", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/1000", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/00/000", "tile/-1/000", "tile/0/-01", "tile/0/x000/001", "tile/0/001/000", "tile/data/000", "tile/8/0/000", "tile/entries/data/000", "tile/0/000/",
		"tile/entries/", "tile/entries/000.p/256", "tile/0/x999/x999/x999/x999/x999/x999/x999/999", "tile/0/../0/000", "tile/0/000.P/1", "tile/x/000", "tiles/0/000", "/tile/0/000",
		"tile/" + strings.Repeat("x000/", 100) + "000"} {
		if got, ok := parseTilePath(path); ok {
			t.Errorf("%q is taken as %+v", path, got)
		}
	}
}

// TestWidths: the example of the specification, and the borders around it.
func TestWidths(t *testing.T) {
	var got []string
	for _, x := range lastTiles(70000) {
		got = append(got, torchwood.TilePath(x))
	}
	if d := cmp.Diff([]string{"tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"}, got); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		level   int
		n, size int64
		want    int
	}{{0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 256, 256}, {0, 1, 256, 0}, {1, 0, 255, 0}, {1, 0, 256, 1}, {1, 0, 65536, 256}, {2, 0, 65536, 1}, {0, -1, 10, 0},
		{63, 0, 1 << 62, 0}, {7, 0, 1 << 62, 64}, {-1, 3, 770, 2}, {0, 1 << 62, 1 << 62, 0}} {
		if got := width(tt.level, tt.n, tt.size); got != tt.want {
			t.Errorf("tile %d/%d of %d entries: %d wide, want %d", tt.level, tt.n, tt.size, got, tt.want)
		}
	}
}

func FuzzTilePath(f *testing.F) {
	for _, s := range []string{"tile/0/000", "tile/entries/x001/234.p/5", "tile/63/999.p/255", "tile/data/000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, ok := parseTilePath(s)
		if !ok {
			return
		}
		if torchwood.TilePath(x) != s {
			t.Errorf("%q is read as %+v, which is written %q", s, x, torchwood.TilePath(x))
		}
		if w := width(x.L, x.N, 1<<40); w < 0 || w > TileWidth {
			t.Errorf("%q is %d wide", s, w)
		}
	})
}
