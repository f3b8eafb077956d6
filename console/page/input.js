// What keys and taps do. Whose keys they are, keys.js knows.
'use strict';

const MODIFIERS = ['Shift', 'Control', 'Alt', 'AltGraph', 'Meta', 'CapsLock', 'NumLock', 'ScrollLock', 'Fn'];
const keys = new Keys({ before: asItIs, act: pressed, burst, undo, hasty });

addEventListener('keydown', e => {
  wake();
  if (!e.key || MODIFIERS.includes(e.key)) return;
  if (e.key === 'F9' || e.key === 'F10') return emergencyKey(e);
  const field = isField(e.target), button = e.target instanceof HTMLButtonElement;
  // The browser's own Enter would not wait for the silence.
  if (e.key === 'Enter' && (field || button) && !e.isComposing || e.key === ' ' && button) e.preventDefault();
  if (e.repeat) return;
  const run = keys.down(e);
  if (run && (!field || e.key === 'Tab' || combined(e)) || combined(e) && /^[jm]$/i.test(e.key)) e.preventDefault();
  if (run || combined(e) || !$('alert').hidden || lost || !view) return moveFound(e);
  // These move the cursor only, and at once: a hand goes on typing.
  const name = keyName(e);
  if (!field && keys.listens(e.timeStamp) && (name === '/' || e.code === 'NumpadDivide' || name === 'c' || name === 'n' && panel)) {
    e.preventDefault();
    (name === 'n' ? $('note-' + chosen) : name === 'c' ? $('visit-code') : $('room')).focus();
  } else moveFound(e);
}, true);
// The emergency keys come before everything, wherever the cursor is, also for a lane that is open: its relay may have let go.
// Some scanners type control characters as function keys: one that comes while a code is typed must be held as long as a hand does.
const held = new Map(); // key → since when, and what it does
function emergencyKey(e) {
  e.preventDefault();
  const lane = view && view.lanes[e.key === 'F9' ? 0 : 1];
  if (!lane || e.repeat) return;
  if (!keys.typing(e.timeStamp)) return emergency(lane.id);
  const open = () => held.delete(e.key) && emergency(lane.id);
  held.set(e.key, { at: e.timeStamp, open });
  setTimeout(open, HELD_MS);
}
addEventListener('keyup', e => {
  const key = held.get(e.key);
  if (key && e.timeStamp - key.at >= HELD_MS) key.open(); // the page was busy
  held.delete(e.key);
}, true);
// Browsers press a button at any of these.
for (const kind of ['keypress', 'keyup']) addEventListener(kind, e => {
  if (e.key === 'Enter' && isField(e.target) && !e.isComposing || (e.key === ' ' || e.key === 'Enter') && e.target instanceof HTMLButtonElement) e.preventDefault();
}, true);

// asItIs is what a burst must leave as it was, and what a key was meant for.
function asItIs() {
  return { focus: document.activeElement, chosen, panel, asking, hand: handIs(), visit: visitIs(), undecided: left.u?.passage, values: Object.fromEntries([...document.querySelectorAll('input[id]:not([type=file])')].map(e => [e.id, e.value])) };
}

// pressed is one key of a person.
function pressed(key, before) {
  if (!$('alert').hidden) return key.name === 'Escape' && readNotOpened();
  const at = document.activeElement;
  if (key.name === 'Escape') {
    if (!amending && !overriding && !hand && !panel && !asking) escapeVisit(at);
    amending = null;
    overriding = '';
    hand = null;
    notice = null;
    if (found) clearFound();
    else if (!isField(at)) panel = false;
    asking = '';
    signing = false;
    at.blur();
    return render();
  }
  if (at !== before.focus || key.combined || key.composing && key.field) return;
  if (at instanceof HTMLButtonElement && (key.name === 'Enter' || key.name === ' ')) return at.click();
  if (isField(at)) {
    if (key.name === 'Enter' && at.form) at.form.requestSubmit();
    else if (key.name === 'Enter' && at.closest('#visit')) nextVisit();
    else if (key.name === 'Enter' && at.closest('.question')) askNext();
    else if (key.name === 'Enter') at.blur(); // a note: then the key that decides
    return;
  }
  if (lost || !view || chosen !== before.chosen || panel !== before.panel || handIs() !== before.hand || visitIs() !== before.visit) return; // it was meant for something else
  const mine = chosen && !(byItself && performance.now() - chosenAt < READ_MS);
  if (hand && /^\d$/.test(key.name)) return handDigit(Number(key.name));
  if (visitKeys && /^\d$/.test(key.name)) return visitDigit(key.name);
  if (visitKeys && key.name === 'Enter') return visitEnter();
  if (/^[1-9]$/.test(key.name)) {
    const other = othersOf(waiting(chosen))[key.name - 1], person = [...slots].find(([, n]) => n === Number(key.name));
    if (!panel && asking && asking === before.asking && pickKey(Number(key.name))) return;
    if (panel && other && mine) rule(chosen, ...other);
    else if (!panel && person) choose(person[0]);
  } else if (key.name === 'a' || key.name === 'r') {
    const verdict = key.name === 'a' ? 'admit' : 'refuse';
    if (mine) rule(chosen, verdict, atOnce(waiting(chosen), verdict));
    else if (!chosen && cards.length) toast(p('keys-select'));
  } else if (key.name === 'q' && questions(waiting(chosen)).length) {
    panel = false;
    hand = null;
    leaveVisit();
    return askNext();
  } else if (key.name === 'k' && bySight(waiting(chosen))) {
    if (mine) rule(chosen, 'admit', BYSIGHT);
  } else if (key.name === 'h') return nextHand();
  else if (key.name === 'o' && chosen) {
    [panel, asking, hand] = [!panel, '', null];
    leaveVisit();
  } else if (key.name === 'f' && headsOf(waiting(chosen))) {
    if (mine) rule(chosen, 'admit', 'visitor-confirmed', headsOf(waiting(chosen)));
  } else if (key.name === 's' && isForm()) return sendVisit();
  else if (key.name === 'd') return openVisit('delivery');
  else if (VISIT_TABS[key.name]) return openVisit(VISIT_TABS[key.name]);
  else if (AFTERWARDS[key.name] && !chosen && before.undecided === left.u?.passage) afterwards(AFTERWARDS[key.name], key.at);
  render();
}

// undo takes back what a scanner typed.
function undo(before) {
  document.activeElement.blur();
  for (const [id, value] of Object.entries(before.values)) {
    const e = $(id);
    if (!e || e.value === value) continue;
    e.value = value;
    e.dispatchEvent(new Event('input'));
  }
  if (isField(before.focus) && before.focus.isConnected) before.focus.focus();
}

// burst is a scanner that types: it leaves nothing but its code, where one is awaited.
function burst(code, before) {
  undo(before);
  if (lost || !view) return;
  if (!view.keyboard) typedAt = stamp();
  else if (code) act('api/code', { lane: view.keyboard, code });
  else toast(t('dropped', 'too-short'));
  render();
}

// hasty is a person whose keys came too close together to be told from a scanner's.
function hasty(run) {
  if (run.every(k => k.field === 'visit-code') && run.at(-1).name === 'Enter') return $('code').requestSubmit(); // digits go fast on a number pad
  if (run.some(k => !k.composing && (k.field ? k.name === 'Enter' : k.writes || k.name === 'Enter'))) toast(p('too-fast'));
}

// moveVisit moves the cursor among the buttons of the visits: those that lie beside one another, or below.
function moveVisit(e) {
  const buttons = [...$('visit').querySelectorAll('button:not(:disabled)')], at = buttons.indexOf(e.target), to = { ArrowRight: at + 1, ArrowLeft: at - 1 }[e.key], box = e.target.getBoundingClientRect();
  const below = b => (b.getBoundingClientRect().top - box.top) * (e.key === 'ArrowDown' ? 1 : -1) > 4 && Math.abs(b.getBoundingClientRect().left - box.left) < box.width;
  const next = to !== undefined ? buttons[to] : e.key === 'ArrowDown' ? buttons.slice(at + 1).find(below) : e.key === 'ArrowUp' ? buttons.slice(0, at).reverse().find(below) : null;
  if (at < 0 || !next) return;
  e.preventDefault();
  next.focus();
}

// moveFound moves the cursor among the people found by room.
function moveFound(e) {
  if ($('visit').contains(e.target)) return moveVisit(e);
  if (!$('find').contains(e.target)) return;
  const buttons = [...$('found').querySelectorAll('button')], at = buttons.indexOf(e.target), row = view ? view.lanes.length : 0;
  const to = { ArrowDown: at < 0 ? 0 : at + row, ArrowUp: at - row, ArrowRight: at < 0 ? -1 : at + 1, ArrowLeft: at < 0 ? -1 : at - 1 }[e.key];
  if (to !== undefined && (at >= 0 || buttons[to])) {
    e.preventDefault();
    (buttons[to] || (to < 0 ? $('room') : e.target)).focus();
  }
  if (foundAt) foundAt = stamp();
}

// The second tap of a double tap decides nothing, whatever it falls on; nor does one on what has just moved there.
let tapped = -1e9;
addEventListener('click', e => {
  if (!e.detail || e.target.closest('.panic')) return; // a key, or a screen reader; and the emergency keys always
  const soon = e.timeStamp - tapped < TAP_MS || justMoved(e.target.closest(PLACED), e.timeStamp);
  tapped = e.timeStamp;
  if (!soon || !e.target.closest('button, .card, #alert')) return;
  e.preventDefault();
  e.stopImmediatePropagation();
}, true);
// A button that was used does not wait for the next Enter.
addEventListener('click', () => document.activeElement instanceof HTMLButtonElement && document.activeElement.blur());
