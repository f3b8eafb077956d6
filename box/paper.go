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
