// Package evidence checks what an auditor is shown: that a ledger, with the epochs before it, is the one that was written.
package evidence
