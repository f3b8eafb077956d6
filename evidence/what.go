package evidence

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// WhatIs tells by their content what can be verified: a ledger, a folder of tiles or an audit bundle.
func WhatIs(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	has := func(name string) bool { _, err := os.Stat(filepath.Join(path, name)); return err == nil }
	switch {
	case has("checkpoint"):
		return "a folder of tiles", nil
	case has("manifest.sha256"):
		return "an audit bundle", nil
	case has("ledger.db") && has("secret.tar"):
		return "", fmt.Errorf("%s is a backup: verify its %s", path, filepath.Join(path, "ledger.db"))
	case has("ledger.db"):
		return "", fmt.Errorf("%s is a state directory: verify it with --state %s", path, path)
	case st.IsDir():
		return "", fmt.Errorf("%s is neither a folder of tiles nor an unpacked bundle", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 16)
	n, _ := io.ReadFull(f, head)
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("SQLite format 3")):
		return "ledger", nil
	case bytes.HasPrefix(head, []byte("PK")), strings.HasSuffix(path, ".zip"):
		return "an audit bundle", nil
	}
	return "", fmt.Errorf("%s is neither an audit bundle nor a copy of a ledger", path)
}

// Since is the day so many days back, such as 7d, or what Date takes.
func Since(flag, day string, now time.Time) (string, error) {
	if n, err := strconv.Atoi(strings.TrimSuffix(day, "d")); err == nil && strings.HasSuffix(day, "d") && n >= 0 && n < 36500 {
		return now.AddDate(0, 0, -n).Format(time.DateOnly), nil
	}
	date, err := Date(flag, day, now)
	if err != nil {
		err = fmt.Errorf("%w, or so many days back as 7d", err)
	}
	return date, err
}

// Date reads the value of a flag that names a day.
func Date(flag, day string, now time.Time) (string, error) {
	if back, ok := map[string]int{"today": 0, "yesterday": 1}[day]; ok {
		return now.AddDate(0, 0, -back).Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return "", fmt.Errorf("%s %q: write a date as 2026-11-23, or today, or yesterday", flag, day)
	}
	return day, nil
}
