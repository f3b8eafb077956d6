// Package medium reads what a disk has, not what the kernel remembers of it.
package medium

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// After a failed write the kernel reports the error once, calls the pages clean, and goes on showing what the disk never
// got: the next sync succeeds, and whoever reads the file finds everything in order until the power fails. So after an
// error nothing that the page cache says counts before it was compared with the medium.

const (
	step  = 1 << 20 // how much is read at once
	align = 4096    // what O_DIRECT asks of addresses and offsets: no disk has larger blocks
)

// Trust makes the page cache of a file show what the medium holds, and returns how many bytes it had to put right.
// What is dirty is written first; an error of that is returned, and all is to be tried again. Nobody else writes to the file.
func Trust(path string) (stale int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := syncAndDrop(f); err != nil {
		return 0, err
	}
	// Pages that are mapped, or in use for a moment, are not dropped.
	wrong := func(at int64, medium, cached []byte) error {
		for from := 0; from < len(medium); from += 512 {
			to := min(from+512, len(medium))
			if bytes.Equal(medium[from:to], cached[from:to]) {
				continue
			}
			stale += int64(to - from)
			if _, err := f.WriteAt(medium[from:to], at+int64(from)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := compare(f, wrong); err != nil {
		return stale, err
	}
	if stale > 0 {
		err = unix.Fdatasync(int(f.Fd()))
	}
	return stale, err
}

// Drop lets the next reading of a file come from the medium, as far as the kernel follows.
func Drop(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(syncAndDrop(f), f.Close())
}

func syncAndDrop(f *os.File) error {
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return &os.PathError{Op: "fadvise", Path: f.Name(), Err: err}
	}
	return nil
}

// compare reads the file by both ways and calls wrong where they differ. Where the file system has no other way than
// the page cache, as tmpfs, there is nothing to compare.
func compare(f *os.File, wrong func(at int64, medium, cached []byte) error) error {
	d, err := os.OpenFile(f.Name(), os.O_RDONLY|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) {
		return nil
	} else if err != nil {
		return err
	}
	defer d.Close()
	medium, cached := alignedBlock(step), make([]byte, step)
	for at := int64(0); ; at += step {
		n, err := readDirect(d, medium, at)
		if errors.Is(err, unix.EINVAL) && at == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s from the medium: %w", f.Name(), err)
		}
		m, cerr := f.ReadAt(cached[:n], at)
		if cerr != nil && !errors.Is(cerr, io.EOF) {
			return cerr
		}
		if m != n {
			return fmt.Errorf("%s: the medium has %d bytes at %d, and reading gives %d", f.Name(), n, at, m)
		}
		if !bytes.Equal(medium[:n], cached[:n]) {
			if err := wrong(at, medium[:n], cached[:n]); err != nil {
				return err
			}
		}
		if n < step {
			return nil
		}
	}
}

// readDirect fills b from a file that was opened with O_DIRECT; less only at its end. It is not ReadAt, which would go on
// behind a last piece that is no whole block, where such files cannot be read.
func readDirect(d *os.File, b []byte, at int64) (n int, err error) {
	for n < len(b) {
		m, err := unix.Pread(int(d.Fd()), b[n:], at+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
		if m == 0 || n%align != 0 {
			break
		}
	}
	return n, nil
}

// alignedBlock is memory into which the disk can write by itself: it is aligned.
func alignedBlock(n int) []byte {
	b := make([]byte, n+align)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (align - 1))
	return b[skip : skip+n : skip+n]
}
