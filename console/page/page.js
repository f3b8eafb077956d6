// The guard's page. It shows what the gate says and nothing else: no verdict is made, kept or guessed here.
'use strict';

const VERDICT_MS = 10000; // then a verdict, with name and room, is gone: there is a queue behind
const LOST_MS = 5000;     // without a beat: the page cannot be trusted
const FOUND_MS = 30000;   // names found by room are not left standing
const STILL_MS = 1000;    // the list stands still so long when somebody went, and says who
const READ_MS = 600;      // whom the page selected by itself no key decides about before, nor a tap about anybody
const TAP_MS = 400;       // a tap so soon after another, or after things moved, is meant for nothing
const HELD_MS = 50;       // a hand takes longer to let go of a key, a scanner hardly any time
const ANOTHER_MS = 20000; // then whoever is found by room is no correction any more
const TYPED_MS = 60000;   // the page says so long that a scanner is set to keyboard
const REASONS = {
  admit: ['known-by-sight', 'document-sighted', 'dead-phone', 'pass-expired', 'child-or-elder', 'visitor-confirmed', 'known-unnamed', 'personal-safety', 'sudden-illness'],
  refuse: ['not-known', 'no-business', 'level-forbids'],
};
// These come last: their digits are no others'. Which of them it was is sealed.
const URGENT = ['personal-safety', 'sudden-illness'];
// What a person of the roster can be; a car is found by no room.
const ROSTERED = ['resident', 'staff', 'volunteer', 'courier'];
// What one press decides, and what the others are, in the order of their digits; that of a key of its own apart.
const ATONCE = { admit: 'document-sighted', refuse: 'not-known' };
// What may have become of somebody on whom nobody decided, by the key that says so.
const AFTERWARDS = { i: 'went-through', t: 'turned-away', u: 'unseen' };
// Why a guard admits all the same whom a rule refused that allows it; URGENT they can say whatever refused.
const OVERRIDES = ['official-duty', 'resident-vouches'];
// What they say where somebody else agrees, whom they name.
const AGREED = { telephone: 'approved-by-telephone', 'second-person': 'second-person-agrees' };
const OTHERS = Object.entries(REASONS).flatMap(([verdict, list]) => list.filter(r => r !== ATONCE[verdict] && r !== BYSIGHT && !URGENT.includes(r)).map(r => [verdict, r])).concat(URGENT.map(r => ['admit', r]));

let view = null;      // the newest the gate sent
let gateTime = null;  // the gate's own time, as text, when `heard` was stamped
let heard = null;     // when the gate was heard last
let opened = null;    // when the stream was opened
let source = null;
// lane → {shown: which answer its part of the stage has or had, which is fresh only once; born: when that was given, on this
// browser's clocks, or null: there is nothing to show}
const stage = new Map();
let lost = true;
let cards = [];       // who waits, and for a second who went: {hold, gone: when, null: waits; ruled: what was decided here}
let chosen = '';      // the hold that keys act on; '': nobody
let chosenAt = -1e9;  // since when
let byItself = false; // the page selected it, no person
let wanted = '';      // the hold of somebody who was just found by room: it is selected once it is there
let panel = false;    // other reasons are shown for the hold that is chosen
let typedAt = null;   // when a scanner typed into the page
let found = null;     // people found by room, or the word that stands in their place; null: none asked for
let foundAt = null;
let sure = 0;         // when the clock's first confirmation was pressed
let opening = {};     // lanes whose emergency key was pressed, and how often it is not yet answered
let notOpened = {};   // lanes that it did not open: {sent: the gate knows, said: what}
const pressedAgain = new Set(); // lanes whose relay was dead and is told again: it may answer too soon to be seen opening
let amending = null;  // an admission that the guard puts right: {a: as it was shown, another: it was somebody else, since: when that was said}
let overriding = '';  // the refusal against which the guard is about to admit
const settling = {};  // passages of which it was said already what became of them
let left = { u: null, at: -1e9 }; // on whom nobody decided and who is asked about now, and since when
let taking = '';      // the lane that a picture is being taken for
let reading = {};     // lanes whose picture was sent and not yet answered
const slots = new Map(); // passage → digit; a card keeps its digit, so that no key hits the wrong one
const freed = {};        // digit → when the card that had it went
const drafts = {};    // what stands in input fields, by element ID, across repaints
let language = new URLSearchParams(location.search).get('lang') || recall('language');

// Storage can be switched off in a browser; the page works without.
function recall(key) { try { return localStorage.getItem(key) || ''; } catch { return ''; } }
function remember(key, value) { try { localStorage.setItem(key, value); } catch { /* not kept */ } }

const $ = id => document.getElementById(id);
const lang = () => language || (view && view.language) || 'zh';
const t = (table, word) => (WORDS[table] && WORDS[table][word] || [word, word])[lang() === 'en' ? 1 : 0];
const p = word => t('page', word);
const clock = time => (time || '').slice(11, 19); // the gate's wall time, whatever zone this browser is in
// The width of a word in ems, so that it can fill the stage.
const ems = s => [...s].reduce((n, c) => n + (c > '\u2e80' ? 1.06 : c === ' ' ? .3 : .74), 0);

// Stamps carry both clocks: the monotonic one stands still while the machine sleeps, the other may be set. The larger
// answer is believed, so that doubt always makes things older.
const stamp = (age = 0) => ({ mono: performance.now() - age, wall: Date.now() - age });
const since = s => Math.max(performance.now() - s.mono, Date.now() - s.wall);
const gateNow = () => Date.parse(gateTime) + (performance.now() - heard.mono);

function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) k === 'class' || k.includes('-') ? e.setAttribute(k, v) : e[k] = v;
  e.append(...children.filter(c => c !== null && c !== undefined && c !== ''));
  return e;
}
function icon(name, cls = 'i') {
  const s = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), u = document.createElementNS(s.namespaceURI, 'use');
  s.setAttribute('class', cls);
  s.setAttribute('aria-hidden', 'true');
  u.setAttribute('href', '#s-' + name);
  s.append(u);
  return s;
}
function input(id, props) {
  const e = h('input', { id, value: drafts[id] || '', autocomplete: 'off', spellcheck: false, ...props });
  e.addEventListener('input', () => {
    drafts[id] = e.value;
    tellAnswering();
  });
  return e;
}
// paint rebuilds a part only when what it shows has changed, and leaves the cursor where it was.
function paint(where, key, build) {
  key = lang() + JSON.stringify(key);
  if (where.painted === key) return;
  where.painted = key;
  const old = document.activeElement, id = where.contains(old) ? old.id : '', at = id && old.selectionStart;
  where.replaceChildren(...build().filter(Boolean));
  if (id && $(id)) {
    $(id).focus();
    if (typeof at === 'number') $(id).setSelectionRange(at, at);
  }
}

// ---- the link ----

function connect() {
  if (source) source.close();
  opened = stamp();
  const s = source = new EventSource('events');
  let last = null;
  const take = then => e => {
    if (s !== source) return;
    // A page that slept finds old messages waiting: none of them is believed.
    if (last && since(last) > LOST_MS) return connect();
    last = heard = stamp();
    const data = JSON.parse(e.data);
    gateTime = data.now;
    then(data);
    tick();
  };
  s.addEventListener('view', take(receive));
  s.addEventListener('beat', take(() => {}));
  s.addEventListener('session', e => {
    if (s !== source) return;
    session = JSON.parse(e.data);
    render();
  });
  s.onerror = () => {
    if (s !== source) return;
    s.close();
    setTimeout(() => s === source && connect(), 1000);
  };
}

function receive(v) {
  if (view && v.version !== view.version) return location.reload(); // the gate was upgraded: so is its page
  const before = view;
  view = v;
  for (const l of v.lanes) {
    const was = before && before.lanes.find(b => b.id === l.id);
    receiveAnswer(l, v.now, !!before);
    if (was && (was.up && !l.up || !was.wrong_tries && l.wrong_tries || !was.latch_lost && l.latch_lost)) sound('fault');
    if (l.latch === 'failed' && (pressedAgain.delete(l.id) || !was || was.latch !== 'failed')) notOpened[l.id] = { sent: true, said: p('not-opened-relay') };
    else if (l.latch === 'open' || was && was.latch !== l.latch) delete notOpened[l.id];
    if (l.latch && was && was.latch !== l.latch && l.latch !== 'opening') sound(l.latch === 'failed' ? 'fault' : 'emergency');
  }
  if (amending && !(v.recent || []).some(a => a.passage === amending.a.passage && a.amend)) amending = null;
  if (!v.lanes.some(l => l.refused && l.refused.passage === overriding)) overriding = '';
  dropHand();
  receiveHolds(v.holds || []);
}

// receiveAnswer takes a lane's newest answer. What the emergency key did is not one to somebody: its lane shows its latch.
function receiveAnswer(l, now, heardBefore) {
  const a = l.last, id = a ? [a.passage, a.at, a.verdict, a.repeat].join(' ') : '', part = stage.get(l.id) || { shown: '', born: null };
  stage.set(l.id, part);
  if (id === part.shown) return;
  part.shown = id;
  if (heardBefore && a) nextOne();
  // An answer from the future means that the clock was set back: its age is unknown, so it is not fresh.
  const age = a && !a.emergency ? Date.parse(now) - Date.parse(a.at) : Infinity;
  part.born = age > -2000 && age < VERDICT_MS ? stamp(Math.max(0, age)) : null;
  if (heardBefore && part.born && !cards.some(c => c.ruled && c.hold.passage === a.passage)) sound(tone(a));
}
const fresh = l => stage.get(l.id) && stage.get(l.id).born;

// receiveHolds keeps the cards in their places: who went stands for a second still, who is new comes last, but the services before all
// others; each keeps its digit.
function receiveHolds(open) {
  open = open.filter(o => !passing(o) || cards.some(c => c.hold.passage === o.passage));
  const nobody = !cards.length;
  for (const c of cards) {
    const o = open.find(o => o.passage === c.hold.passage);
    if (o) c.hold = o;
    else if (!c.gone) {
      c.gone = stamp();
      if (chosen === c.hold.passage) {
        choose('');
        toast(reasons(c.hold.name || t('class', c.hold.class), c.hold.room, wentHow(c).text));
      }
    }
  }
  for (const o of open) {
    if (cards.some(c => c.hold.passage === o.passage)) continue;
    nextOne();
    cards.push({ hold: o, gone: null, ruled: null });
    const taken = [...slots.values()], free = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter(n => !taken.includes(n));
    // Not the digit of somebody who has just gone: the key may be on its way.
    const cool = n => Math.max(0, (freed[n] || -1e9) + 10000 - performance.now());
    slots.set(o.passage, free.sort((a, b) => cool(a) - cool(b) || a - b)[0] || 0);
  }
  cards.sort((a, b) => official(b.hold) - official(a.hold));
  if (wanted && open.some(o => o.passage === wanted)) choose(wanted);
  else if (nobody && cards.length) choose(cards[0].hold.passage, true);
}
function choose(passage, unasked = false) {
  if (passage && !cards.some(c => c.hold.passage === passage && !c.gone && !c.ruled)) return;
  chosen = passage;
  chosenAt = performance.now();
  byItself = unasked;
  panel = false;
  asking = '';
  wanted = '';
  if (!unasked) hand = null;
  if (!unasked && passage) leaveVisit();
}
function dropGone() {
  for (const c of cards) if (c.gone && since(c.gone) >= STILL_MS) {
    freed[slots.get(c.hold.passage)] = performance.now();
    slots.delete(c.hold.passage);
    forget(c.hold.passage);
  }
  cards = cards.filter(c => slots.has(c.hold.passage));
}

// tick runs on every message, five times a second, and when the page is seen again.
function tick() {
  for (const part of stage.values()) if (part.born && since(part.born) >= VERDICT_MS) part.born = null;
  const gone = !heard || since(heard) > LOST_MS;
  if (gone && !lost && heard) sound('fault');
  lost = gone;
  if (lost) {
    hand = null;
    for (const part of stage.values()) part.born = null;
    panel = false;
    if (since(opened) > LOST_MS) connect();
  }
  for (const l of view ? view.lanes : []) if (!fresh(l)) l.last = null; // with its name
  dropGone();
  if (found && since(foundAt) > FOUND_MS) clearFound();
  dropOverdue();
  dropPlan();
  dropVisits();
  if (another() && since(amending.since) > ANOTHER_MS) amending = null;
  if (typedAt && since(typedAt) > TYPED_MS) typedAt = null;
  if (sure && performance.now() - sure > 5000) sure = 0;
  remind();
  render();
}

// ---- what is done ----

async function post(path, body, patience = 8000) {
  try {
    const r = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal: AbortSignal.timeout(patience) });
    return { ok: r.ok, status: r.status, data: r.status === 204 ? {} : await r.json().catch(() => ({})) };
  } catch {
    return { ok: false, status: 0, data: {} };
  }
}
async function act(path, body, gone = 'gone', noLedger = 'no-ledger') {
  const r = await post(path, body);
  if (r.status === 401 || r.status === 403) refused(r.data);
  else if (!r.ok) toast(r.status === 0 ? p('not-sent') : r.status === 409 ? p(r.data.reason || gone) : r.status === 503 ? p(r.data.reason === 'not-ready' ? 'not-ready' : noLedger) : p('failed') + ': ' + (r.data.error || r.status));
  return r.ok ? r.data : null;
}
let toastTimer;
function toast(text) {
  $('toast').textContent = text;
  $('toast').hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $('toast').hidden = true, 5000);
}

async function emergency(lane) {
  if (opening[lane] > 2) return; // a hand that hammers is heard, and drowns nothing
  opening = { ...opening, [lane]: (opening[lane] || 0) + 1 };
  pressedAgain.add(lane);
  const sent = post('api/emergency', { lane }, 3000); // first of all
  if (view) render();
  const r = await sent;
  opening = { ...opening, [lane]: opening[lane] - 1 };
  if (r.ok && notOpened[lane] && !notOpened[lane].sent) delete notOpened[lane]; // what came of it the barrier says
  if (!r.ok) {
    notOpened[lane] = { sent: false, said: r.data.error || p('not-sent') };
    sound('fault');
  }
  if (view) render();
}

function readNotOpened() {
  notOpened = {};
  render();
}

// A picture of a code, from the tablet's own camera or from its files; the answer comes with the view, as a scanner's does.
function takePicture(lane) {
  taking = lane;
  $('picture').value = ''; // the same file again is news, too
  $('picture').click();
  $('picture-' + lane).blur(); // so that no key presses it again
}
$('picture').onchange = async () => {
  const file = $('picture').files[0], lane = taking;
  if (!file || reading[lane]) return;
  reading = { ...reading, [lane]: true };
  if (view) render();
  let status = 0, data = {};
  try {
    const r = await fetch('api/picture?lane=' + encodeURIComponent(lane), { method: 'POST', headers: { 'Content-Type': file.type || 'image/unknown' }, body: file, signal: AbortSignal.timeout(40000) });
    status = r.status;
    data = await r.json();
  } catch { /* not sent, or no answer */ }
  reading = { ...reading, [lane]: false };
  if (view) render();
  if (status !== 200) toast(status === 0 ? p('not-sent') : data.reason ? t('reason', data.reason) : p('failed') + ': ' + (data.error || status));
};

// rule decides, once. Whoever comes next is not selected: the same key pressed again decides about nobody.
async function rule(passage, verdict, reason, heads) {
  const c = cards.find(c => c.hold.passage === passage && !c.gone && !c.ruled);
  if (!c || !allowed(c.hold, verdict, reason) || !answered(c.hold, verdict, reason)) return;
  c.ruled = { passage, verdict, reason, done: false };
  choose('');
  render();
  const out = await act('api/decide', { passage, verdict, reason, note: drafts['note-' + passage] || '', answers: c.hold.ask && answers(c.hold), heads });
  if (out) {
    c.ruled.done = true;
    forget(passage);
    sound(verdict);
  } else c.ruled = null; // it waits still, or went otherwise
  render();
}

// allowed tells whether the rules leave a ruling to the guard: whom they refuse by now only an urgent need admits.
function allowed(o, verdict, reason) {
  if (!o.refused || verdict !== 'admit' || URGENT.includes(reason)) return true;
  toast(p('only-urgent'));
  return false;
}

// tap is rule by a button. One that has just appeared was not what the finger was for.
function tap(e, ...ruling) { if (!e.detail || performance.now() - chosenAt >= READ_MS) rule(...ruling); }

// askLeft goes on to the newest on whom nobody decided once it is said what became of the one before. The page has not all of them: one
// that is not among those may be asked about still.
const unsettled = () => (view.undecided || []).filter(u => !settling[u.passage]);
function askLeft() {
  const list = unsettled(), was = left.u, is = was && list.find(u => u.passage === was.passage);
  if (is) left.u = { ...is, name: is.name || was.name, room: is.room || was.room };
  else if (!was || settling[was.passage] || !(view.undecided_in_all > view.undecided.length)) {
    left = { u: list[0] || null, at: performance.now() };
  }
  return left.u;
}

// afterwards says what became of whoever is asked about; not at once after another was, for whom the finger was meant.
function afterwards(what, at) {
  const u = left.u;
  if (!u || settling[u.passage] || at - left.at < READ_MS) return;
  act('api/afterwards', { passage: settling[u.passage] = u.passage, what }).then(out => { if (!out && view.undecided.some(o => o.passage === u.passage)) delete settling[u.passage]; });
}

// amend puts an admission right: nobody went through, or somebody else, or the other way.
function amend(path, body) {
  const passage = amending.a.passage;
  amending = null;
  render();
  return act(path, { passage, ...body }, 'not-amended');
}

// another tells whether the next person found by room is put in the place of somebody admitted. A new hold or answer ends that: the next
// one is there.
const another = () => amending && amending.another;
function nextOne() { if (another()) amending = null; }

// override admits all the same; what came of it the lane shows.
async function override(passage, reason, approver) {
  overriding = '';
  render();
  if (await act('api/override', { passage, reason, approver, note: '' }, 'not-overridden')) delete drafts.approver;
}

function confirmClock() {
  if (!sure) sure = performance.now();
  else if (performance.now() - sure > 1.5 * TAP_MS) { // a double tap is one press
    sure = 0;
    act('api/clock', {});
  }
  render();
}

let findTimer, findCount = 0;
function clearFound() {
  findCount++;
  clearTimeout(findTimer);
  found = null;
  $('room').value = '';
}
async function find() {
  clearTimeout(findTimer);
  const room = $('room').value.trim(), mine = ++findCount;
  if (!room) { found = null; return render(); }
  found = found || 'finding';
  foundAt = stamp();
  const r = await fetch('api/find?room=' + encodeURIComponent(room), { signal: AbortSignal.timeout(5000) }).then(r => r.ok ? r.json() : r.status === 429 ? 'too-many-names' : r.status === 401 || r.status === 403 ? 'sign-on-first' : [], () => null);
  if (mine !== findCount) return;
  if (!r) toast(p('not-sent'));
  found = r;
  foundAt = stamp();
  render();
}
async function present(lane, person) {
  clearFound();
  document.activeElement.blur();
  render();
  if (another()) return amend('api/correct', { lane: lane.id, id: person.id });
  const out = await act('api/present', { lane: lane.id, id: person.id });
  if (!out) return;
  wanted = out.passage;
  choose(wanted); // if it is there already
  render();
}

addEventListener('pointerdown', wake, true);
$('alert').onclick = readNotOpened;
$('notice').onclick = () => { notice = null; render(); };
$('room').addEventListener('input', () => {
  clearTimeout(findTimer);
  findTimer = setTimeout(find, 350); // longer than it takes to know a scanner's burst
});
$('find').onsubmit = async e => {
  e.preventDefault();
  await find();
  const first = $('found').querySelector('button');
  if (first) first.focus();
};
$('duty').onsubmit = $('signon').onsubmit = signOn;
$('language').onclick = () => {
  language = lang() === 'en' ? 'zh' : 'en';
  remember('language', language);
  render();
};
function toggleSound() {
  remember('sound', audio && audio.state === 'running' && recall('sound') !== 'off' ? 'off' : 'on');
  tick();
  sound('repeat');
}
$('sound').onpointerdown = toggleSound; // at the press: the very same press lets the browser play, see wake
$('sound').onclick = e => e.detail === 0 && toggleSound();

addEventListener('visibilitychange', tick);
addEventListener('pageshow', tick);
addEventListener('focus', tick);
if (audio) audio.onstatechange = tick;
setInterval(tick, 200);
connect();
render();
