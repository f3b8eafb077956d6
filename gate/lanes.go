package gate

// ScannerState takes what a scanner says of itself. Run records it.
func (g *Gate) ScannerState(laneID string, up bool, state, cause string) {
	if l := g.lanes.Of(laneID); l != nil {
		l.ScannerState(up, state, cause)
	}
}

// CardReaderState takes what an ID card reader says of itself, as ScannerState does.
func (g *Gate) CardReaderState(laneID string, up bool, cause string) {
	if l := g.lanes.Of(laneID); l != nil {
		l.CardReaderState(up, cause)
	}
}

// ScannerDropped says on the page, for a moment, that what a lane's scanner sent was no whole code.
func (g *Gate) ScannerDropped(laneID, cause string) {
	if l := g.lanes.Of(laneID); l != nil {
		l.ScannerDropped(cause)
	}
}

// recordLost records, once in a run, the openings that ended with the one before. What is pending comes first.
func (g *Gate) recordLost() {
	if g.lostTold || g.Fault() || !g.writing.Begun() || !g.remembers() || !g.writing.WritePending() {
		return
	}
	g.passage.Lock()
	start := g.start
	g.passage.Unlock()
	g.lostTold = g.lanes.RecordLost(start)
}
