package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// read decodes the request's JSON object into q, and has it checked. When it answers false it has answered the request.
func read(w http.ResponseWriter, r *http.Request, q any, check func() error) bool {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "Content-Type is %.60q; it takes application/json", r.Header.Get("Content-Type"))
		return false
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, "body is larger than %d bytes", maxBody)
		return false
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "the body could not be read to its end")
		return false
	}
	if !utf8.Valid(body) { // the decoder would quietly change the code's bytes
		fail(w, http.StatusBadRequest, "body is not UTF-8")
		return false
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(q); err != nil {
		fail(w, http.StatusBadRequest, "body is not the JSON object that %s takes: %s", r.URL.Path, jsonFault(err))
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		fail(w, http.StatusBadRequest, "body has more than one JSON value")
		return false
	}
	if err := check(); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return false
	}
	return true
}

// jsonFault says what is wrong without echoing values, which may be codes or names.
func jsonFault(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return fmt.Sprintf("%q must be a %v", strings.ToLower(kind.Field), kind.Type)
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle"
	}
	return fmt.Sprintf("%.120s", strings.TrimPrefix(err.Error(), "json: "))
}

// checkWord checks a machine's word: a lane, an ID, a reason.
func checkWord(key, s string) error {
	if s == "" {
		return fmt.Errorf("%s is missing", key)
	}
	if len(s) > maxWord || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
		return fmt.Errorf("%s takes at most %d bytes without spaces", key, maxWord)
	}
	return nil
}

// checkText checks what a guard typed.
func checkText(key, s string, limit int) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is missing", key)
	case len(s) > limit:
		return fmt.Errorf("%s has %d bytes; it takes at most %d", key, len(s), limit)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s takes one line of plain text", key)
	}
	return nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // a client that went away is no fault of ours
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
}
