// Who pressed these keys: a person, or a scanner that is set to keyboard?
//
// Such a scanner types a code into whatever has the cursor, a key each 3 to 130 ms (Bluetooth), most with Enter at the end.
// A person who decides presses one key and looks. So a key acts only if it is alone, with silence before and after it; a run
// of keys acts on nothing. Whether the first key begins a run nobody knows before the silence after it.
//
//	rest ── key ──> one ── silence ──> act, rest
//	                 └──── key ──> run ── silence ──> burst of a scanner, or hasty fingers; rest
'use strict';

const SILENCE_MS = 150; // longer than a scanner takes between two keys
const DEAF_MS = 600;    // after a burst no key acts: a scanner that hesitated may not be done
const BROKEN_MS = 1000; // what follows a burst without Enter so soon is the rest of its code: half a code is none
const SHORTEST = 4;     // characters of a code, as of one that a serial scanner reads
const LONGEST = 4096;

const isField = e => e instanceof HTMLInputElement;
// With a Chinese input method on, the key is "Process": then its place on the keyboard counts.
const keyName = e => e.key.length === 1 ? e.key.toLowerCase() : e.key === 'Process' ? e.code.replace(/^(Key|Digit|Numpad)(?=.$)/, '').toLowerCase() : e.key;
const combined = e => (e.ctrlKey || e.altKey || e.metaKey) && !e.getModifierState('AltGraph');

class Keys {
  // on.before() is what the page was like before the first key. on.act(key, before) is a person's key. on.burst(code, before)
  // was a scanner; code is empty if it was none that is whole. on.undo(before) takes back the rest of one. on.hasty(run) was a
  // person, whose keys did nothing.
  constructor(on) {
    this.on = on;
    this.run = [];
    this.before = null;
    this.last = this.deaf = this.broken = -Infinity; // on the clock of the events' own stamps, which a busy page does not blur
    this.timer = 0;
  }

  // down takes a key, and tells whether it is one of a run.
  down(e) {
    const at = e.timeStamp, writes = [...e.key].length === 1 && !combined(e);
    if (at - this.last >= SILENCE_MS) this.settle(); // its timer is late
    if (!this.run.length) this.before = this.on.before();
    this.run.push({
      at, name: keyName(e), text: writes ? e.key : '', writes: writes || e.key === 'Process' || e.key === 'Dead',
      ends: !e.isComposing && (e.key === 'Enter' || e.key === 'Tab' || combined(e) && /^[jm]$/i.test(e.key)), // ^J and ^M are LF and CR
      field: isField(e.target) ? e.target.id : '', composing: e.isComposing || e.key === 'Process', combined: combined(e),
    });
    this.last = at;
    clearTimeout(this.timer);
    this.wait(SILENCE_MS);
    return this.run.length > 1;
  }

  // typing tells whether a key at this moment comes out of the middle of a code.
  typing(at) { return at - this.last < SILENCE_MS && this.run.filter(k => k.writes).length >= SHORTEST; }

  // listens tells whether a key that came alone until now may already move the cursor.
  listens(at) { return this.run.length === 1 && at >= this.deaf; }

  wait(ms, again = false) {
    const due = performance.now() + ms;
    this.timer = setTimeout(() => {
      const now = performance.now();
      if (now < this.last + SILENCE_MS) this.wait(this.last + SILENCE_MS - now);
      else if (!again && now > due + 25) this.wait(25, true); // the page was busy: keys may lie in its queue, and come first
      else this.settle();
    }, ms);
  }

  settle() {
    clearTimeout(this.timer);
    const run = this.run, before = this.before;
    this.run = [];
    if (!run.length) return;
    const first = run[0].at, last = run.at(-1).at;
    if (!isBurst(run) && first >= this.deaf) return run.length === 1 ? this.on.act(run[0], before) : this.on.hasty(run);
    if (run.length === 1) return this.on.undo(before);
    const code = wholeCode(run), whole = code && first >= this.broken;
    this.deaf = last + DEAF_MS;
    if (!code) this.broken = last + BROKEN_MS;
    this.on.burst(whole ? code : '', before);
  }
}

// isBurst tells a scanner's run from hasty fingers. Outside a field nobody writes, so four characters are enough; in one a
// person does, and fast, but not so fast, or with pauses.
function isBurst(run) {
  const n = run.filter(k => k.writes).length, pace = (run.at(-1).at - run[0].at) / (run.length - 1);
  if (!run.some(k => k.field)) return n >= SHORTEST;
  if (n >= 6 && pace < 40) return true;
  if (run.some(k => k.composing)) return false;
  if (run.some(k => k.field === 'pin')) return n >= SHORTEST && run.at(-1).ends && pace < 60; // a sentence goes without a pause
  const inOneGo = run.some(k => k.field === 'room' || k.field.startsWith('answer-') || k.field.startsWith('visit-')) ? 12 : 6; // room numbers go fast on a number pad
  return n >= 20 || n >= SHORTEST && run.at(-1).ends && (n >= inOneGo || pace < 60);
}

// wholeCode is what a run says that is one code with its end and nothing that did not come through; else it is empty.
function wholeCode(run) {
  const end = run.findIndex(k => k.ends), keys = run.slice(0, end);
  if (end < SHORTEST || end > LONGEST || !run.slice(end).every(k => k.ends) || !keys.every(k => k.text)) return '';
  return keys.map(k => k.text).join('');
}
