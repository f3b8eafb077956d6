package console

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/scanner/qr"
)

// photo is a JPEG with a pass in it, as a camera might send it.
func photo(t testing.TB, text string) []byte {
	t.Helper()
	file, err := credential.PNG(text)
	if err != nil {
		t.Fatal(err)
	}
	code, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 1000, 700))
	draw.Draw(img, image.Rect(300, 100, 300+code.Bounds().Dx(), 100+code.Bounds().Dy()), code, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Nobody can say which of two codes in a picture was meant.
func TestAPictureOfTwoCodes(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.forget()
	one, other := b.pass("王小明", time.Hour), b.pass("王小明", 2*time.Hour)
	for name, c := range map[string]struct {
		codes []qr.Code
		want  string
	}{
		"two":            {[]qr.Code{{Text: one}, {Text: one}, {Text: other}}, "refuse several-codes"},
		"the same twice": {[]qr.Code{{Text: one}, {Text: one}}, "admit valid-pass"},
	} {
		if out := b.scan("in", together(c.codes)); out.Verdict+" "+out.Reason != c.want {
			t.Errorf("%s: got %s %s, want %s", name, out.Verdict, out.Reason, c.want)
		}
	}
}

// form is a body with one field, and its Content-Type.
func form(t testing.TB, field string, data []byte) (string, []byte) {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	m.WriteField("note", "x")
	part, err := m.CreateFormFile(field, "image.jpg")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(data)
	m.Close()
	return m.FormDataContentType(), body.Bytes()
}

func TestPicture(t *testing.T) {
	t.Parallel()
	b, faulty := newBox(t), newBox(t)
	faulty.broken.Store(true)
	b.forget() // each is a passage
	const admitted = `"verdict":"admit","reason":"valid-pass"`
	const wrote = "check %[1]s ok; query %[1]s; register %[1]s admit valid-pass"
	code := b.pass("王小明", time.Hour)
	pass := photo(t, code)
	var none bytes.Buffer
	if err := png.Encode(&none, image.NewGray(image.Rect(0, 0, 200, 200))); err != nil {
		t.Fatal(err)
	}
	formType, formBody := form(t, "picture", pass)
	otherType, otherBody := form(t, "file", pass)
	largeType, largeBody := form(t, "picture", make([]byte, maxPicture+1))
	largest := append(bytes.Clone(pass), make([]byte, maxPicture-len(pass))...)
	huge := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x006\x00\x00\x00(\x00\x00\x00\x00\xa0\x00\x00\x00\xa0\x00\x00\x01\x00\x18\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 24)) // 40960×40960
	for _, tt := range []struct {
		name, query, kind string
		body              []byte
		fault             bool
		status            int
		answer            string // part of it
		wrote             string // entries, on the lane
	}{
		{"a photograph", "?lane=in", "image/jpeg", pass, false, 200, admitted, "in"},
		{"of a kind misnamed", "?lane=out", "image/png", pass, false, 200, admitted, "out"},
		{"in a form", "?lane=in", formType, formBody, false, 200, admitted, "in"},
		{"the largest", "?lane=out", "image/jpeg", largest, false, 200, admitted, "out"},
		{"on an unknown lane", "?lane=side", "image/jpeg", pass, false, 404, "no such lane", ""},
		{"during a fault", "?lane=in", "image/jpeg", pass, true, 503, `"verdict":"fault"`, ""},
		{"without a code", "?lane=in", "image/png", none.Bytes(), false, 422, `"reason":"no-code"`, ""},
		{"half of it", "?lane=in", "image/jpeg", pass[:len(pass)/3], false, 422, `"reason":"no-picture"`, ""},
		{"text", "?lane=in", "image/jpeg", []byte("GP1:X"), false, 422, `"reason":"no-picture"`, ""},
		{"nothing", "?lane=in", "image/jpeg", nil, false, 422, `"reason":"no-picture"`, ""},
		{"too many bytes", "?lane=in", "image/jpeg", append(bytes.Clone(largest), 0), false, 413, `"reason":"too-large"`, ""},
		{"too many bytes in a form", "?lane=in", largeType, largeBody, false, 413, `"reason":"too-large"`, ""},
		{"too many pixels", "?lane=in", "image/bmp", huge, false, 413, `"reason":"too-large"`, ""},
		{"no lane", "", "image/jpeg", pass, false, 400, "lane is missing", ""},
		{"no picture in the form", "?lane=in", otherType, otherBody, false, 400, `no field \"picture\"`, ""},
		{"half a form", "?lane=in", formType, formBody[:len(formBody)/2], false, 400, "not be read to its end", ""},
		{"a form without a boundary", "?lane=in", "multipart/form-data", formBody, false, 400, "boundary", ""},
		{"JSON", "?lane=in", "application/json", []byte(`{}`), false, 415, "it takes image/", ""},
		{"no kind", "?lane=in", "", pass, false, 415, "it takes image/", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := b
			if tt.fault {
				b = faulty
			}
			before := b.ledger.Size()
			var w *httptest.ResponseRecorder
			for range goes(tt.status) {
				r := httptest.NewRequest("POST", "http://127.0.0.1:8080/api/picture"+tt.query, bytes.NewReader(tt.body))
				r.Header.Set("Content-Type", tt.kind)
				if w = b.ask(r); w.Code != 422 {
					break
				}
			}
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.answer) {
				t.Errorf("%d %s; want %d with %s", w.Code, w.Body, tt.status, tt.answer)
			}
			if want := fmt.Sprintf(wrote, tt.wrote); tt.wrote != "" {
				b.await(before, want)
			} else {
				b.await(before, "")
			}
			if tt.status != 200 && strings.Contains(w.Body.String(), "GP1") {
				t.Errorf("the payload is in the answer: %s", w.Body)
			}
		})
	}

	r := httptest.NewRequest("POST", "http://127.0.0.1:8080/api/picture?lane=in", bytes.NewReader(pass))
	r.Header.Set("Content-Type", "image/jpeg")
	r.Header.Set("Origin", "http://evil.example")
	before := b.ledger.Size()
	if w := b.ask(r); w.Code != 403 || b.entries(before) != "" {
		t.Errorf("from another web site: %d", w.Code)
	}
	if w := b.ask(request("GET", "/api/picture?lane=in", "")); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
}

// goes is how often a picture is tried. The time that one may take is real time, of which a busy machine has little.
func goes(want int) int {
	if want == 422 {
		return 1
	}
	return 50
}

// Five pictures are taken in; the sixth is sent away, and welcome when one is done.
func TestPicturesQueue(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	before := b.ledger.Size()
	b.forget() // each is a passage
	pass := photo(t, "GP1:X")
	send := func(body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://127.0.0.1:8080/api/picture?lane=in", body)
		r.Header.Set("Content-Type", "image/jpeg")
		return b.ask(r)
	}
	done := make(chan int)
	var writers []*io.PipeWriter
	for range 1 + maxWaiting {
		pr, pw := io.Pipe()
		writers = append(writers, pw)
		go func() { done <- send(pr).Code }()
		if _, err := pw.Write(pass[:10]); err != nil { // returns when the handler has read them
			t.Fatal(err)
		}
	}
	w := send(bytes.NewReader(pass))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"reason":"busy"`) {
		t.Errorf("the sixth picture: %d %s", w.Code, w.Body)
	}
	for _, pw := range writers {
		go func() {
			pw.Write(pass[10:])
			pw.Close()
		}()
	}
	scans := 0
	for range writers {
		switch code := <-done; code {
		case 200:
			scans++
		case 422: // looked at, and the machine was too busy to find the code in time
		default:
			t.Errorf("a picture that waited: %d", code)
		}
	}
	for range goes(200) {
		if w = send(bytes.NewReader(pass)); w.Code != 422 {
			break
		}
	}
	if scans++; w.Code != 200 {
		t.Errorf("when there is room again: %d %s", w.Code, w.Body)
	}
	if got := strings.Count(b.entries(before), "check in"); got != scans {
		t.Errorf("%d scans; want %d", got, scans)
	}
}

// A picture waits for the one that is looked at, and no longer than its client.
func TestOnePictureAtATime(t *testing.T) {
	t.Parallel()
	room := newDarkroom()
	room.desk <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := room.look(ctx, nil)
		result <- err
	}()
	select {
	case err := <-result:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-result; err == nil {
		t.Error("looked at while the desk was taken")
	}
	<-room.desk
	pass := photo(t, "GP1:Y")
	codes, err := room.look(t.Context(), pass)
	for range goes(200) {
		if err == nil && len(codes) > 0 {
			break
		}
		codes, err = room.look(t.Context(), pass)
	}
	if err != nil || len(codes) != 1 || codes[0].Text != "GP1:Y" {
		t.Errorf("%d codes, %v", len(codes), err)
	}
}
