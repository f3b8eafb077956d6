package box

import (
	"context"
	"io"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/told"
)

// What was told of the register, or to it.
type (
	Subject  = told.Subject
	Export   = told.Export
	Dispute  = told.Dispute
	Answer   = told.Answer
	HandOver = told.HandOver
)

// CheckReason checks the reason of an export with personal data.
var CheckReason = told.CheckReason

var (
	recordSubject = telling[Subject]("ledger-subject")
	recordExport  = telling[Export]("export-record")

	// DisputePassage records that a host says that a passage was none of theirs.
	DisputePassage = telling[Dispute]("passage-dispute")
	// AnswerCallback records what a host said who was called back about a passage. A no disputes it.
	AnswerCallback = telling[Answer]("callback-answer")
)

// telling is an operation that records what its arguments say.
func telling[A interface {
	Events(by string) ([]ledger.Event, error)
}](name string) Op[A, bool] {
	return Op[A, bool]{name, func(_ context.Context, b *Box, by string, a A) (bool, error) {
		events, err := a.Events(by)
		for _, ev := range events {
			if err == nil {
				err = b.append(ev)
			}
		}
		return err == nil, err
	}}
}

// BeginHandOver records a window for the police before it shows any of it, as BeginExport does. It returns the entry that forbids to
// erase its days; 0: it is only shown.
func BeginHandOver(ctx context.Context, dir string, r *file.Reader, h HandOver, tell io.Writer) (keep int64, err error) {
	return beginExport(ctx, dir, r, tell, func() (int64, error) { return Perform(ctx, dir, handOver, h) })
}

var handOver = Op[HandOver, int64]{"hand-over", func(_ context.Context, b *Box, by string, h HandOver) (keep int64, err error) {
	if b.Register == nil {
		return 0, b.noLedger()
	}
	zone := b.Ledger.Zone()
	h.From, h.To = h.From.In(zone), h.To.In(zone)
	ev, err := h.Event(by)
	if err == nil && !h.Look {
		keep, err = b.eraser.Keep(h.From.Format("2006-01-02"), h.To.Format("2006-01-02"), by, "police: "+h.Paper)
	}
	if err == nil {
		ev.Ref = keep
		err = b.append(ev)
	}
	return keep, err
}}
