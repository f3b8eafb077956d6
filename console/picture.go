package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"gated/scanner/qr"
)

// Limits of pictures. One at a time is looked at: a photograph takes a core for a moment, and the worst
// of them the memory that qr.Load allows.
const (
	maxPicture     = 12 << 20
	maxForm        = maxPicture + 16<<10 // with what a form puts around it
	maxWaiting     = 4
	pictureTimeout = 30 * time.Second // to send it, over a guard's poor radio link
	lookTimeout    = 5 * time.Second  // one of 40 megapixels takes a second
)

// A darkroom looks at one picture at a time, and lets a few wait.
type darkroom struct {
	door chan struct{} // a token for each picture that is sent, waits or is looked at
	desk chan struct{} // one for the picture that is looked at
}

func newDarkroom() darkroom {
	return darkroom{door: make(chan struct{}, 1+maxWaiting), desk: make(chan struct{}, 1)}
}

// look reads the codes in a picture when its turn has come.
func (d darkroom) look(ctx context.Context, file []byte) ([]qr.Code, error) {
	select {
	case d.desk <- struct{}{}:
		defer func() { <-d.desk }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return qr.ReadFile(ctx, file)
}

// picture is code for a picture of one: the body itself, or the field "picture" of a form.
func (c *console) picture(w http.ResponseWriter, r *http.Request) {
	lane := r.URL.Query().Get("lane")
	if err := checkWord("lane", lane); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	select {
	case c.dark.door <- struct{}{}:
		defer func() { <-c.dark.door }()
	default:
		w.Header().Set("Retry-After", "1")
		failFor(w, http.StatusTooManyRequests, "busy", "%d pictures are being sent or wait already", 1+maxWaiting)
		return
	}
	file, ok := readPicture(w, r)
	if !ok {
		return
	}
	codes, err := c.dark.look(r.Context(), file)
	switch {
	case errors.Is(err, qr.ErrTooLarge):
		failFor(w, http.StatusRequestEntityTooLarge, "too-large", "%v", err)
	case errors.Is(err, qr.ErrNoPicture):
		failFor(w, http.StatusUnprocessableEntity, "no-picture", "not a whole picture: it takes PNG, JPEG, GIF, WebP and BMP")
	case err != nil: // the client has gone, or the box is very slow
		w.Header().Set("Retry-After", "1")
		failFor(w, http.StatusTooManyRequests, "busy", "looking at the picture took too long")
	case len(codes) == 0:
		failFor(w, http.StatusUnprocessableEntity, "no-code", "no QR code was found in the picture")
	case len(codes[0].Text) == 0 || len(codes[0].Text) > maxCode:
		fail(w, http.StatusBadRequest, "code has %d bytes; it takes 1 to %d", len(codes[0].Text), maxCode)
	default:
		out, err := c.gate.Scan(lane, []byte(together(codes)), time.Now())
		c.outcome(w, r, out, err)
	}
}

// together is the code of a picture, or two that differ, with a line break between: the gate refuses them as several.
func together(codes []qr.Code) string {
	for _, other := range codes[1:] {
		if other.Text != codes[0].Text {
			return codes[0].Text + "\n" + other.Text
		}
	}
	return codes[0].Text
}

// readPicture returns the picture's file. When it answers false it has answered the request.
func readPicture(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(pictureTimeout))
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var body io.Reader
	switch {
	case err == nil && strings.HasPrefix(kind, "image/"):
		body = http.MaxBytesReader(w, r.Body, maxPicture)
	case err == nil && kind == "multipart/form-data":
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		form, err := r.MultipartReader()
		if err != nil {
			fail(w, http.StatusBadRequest, "the form has no boundary")
			return nil, false
		}
		for body == nil {
			part, err := form.NextPart()
			switch {
			case err == io.EOF:
				fail(w, http.StatusBadRequest, `the form has no field "picture"`)
				return nil, false
			case err != nil:
				failBody(w, err)
				return nil, false
			case part.FormName() == "picture":
				body = part
			}
		}
	default:
		fail(w, http.StatusUnsupportedMediaType, `Content-Type is %.60q; it takes image/… or multipart/form-data with a field "picture"`,
			r.Header.Get("Content-Type"))
		return nil, false
	}
	file, err := io.ReadAll(io.LimitReader(body, maxPicture+1))
	if err == nil && len(file) > maxPicture {
		err = &http.MaxBytesError{}
	}
	if err != nil {
		failBody(w, err)
		return nil, false
	}
	return file, true
}

func failBody(w http.ResponseWriter, err error) {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		failFor(w, http.StatusRequestEntityTooLarge, "too-large", "the picture is larger than %d bytes", maxPicture)
		return
	}
	fail(w, http.StatusBadRequest, "the body could not be read to its end")
}

// failFor is fail with a stable word for a program, or for the page to say it in the guard's language.
func failFor(w http.ResponseWriter, status int, reason, format string, args ...any) {
	answer(w, status, map[string]string{"error": fmt.Sprintf(format, args...), "reason": reason})
}
