package box

import (
	"context"

	"gated/box/pages"
	"gated/register/paper"
)

// PrintPaper counts on the pages of the handover book and returns those that may be printed now.
var PrintPaper = inDaemon("paper-print", func(_ context.Context, b *Box, by string, p paper.Print) (pages.Blank, error) {
	return pages.Count(b.as(by).Counter(), b.Ledger.Meta().Gate, by, p)
})

// EnterPaper records what was written on pages, and typed.
var EnterPaper = inDaemon("paper-enter", func(_ context.Context, b *Box, by string, f pages.File) (pages.Report, error) {
	return pages.Enter(b.as(by).Counter(), by, f, b.Roster.Snapshot())
})
