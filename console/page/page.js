// The guard's page. It shows what the gate says and nothing else: no verdict is made, kept or guessed here.
'use strict';

const VERDICT_MS = 10000; // then a verdict, with name and room, is gone: there is a queue behind
const LOST_MS = 5000;     // without a beat: the page cannot be trusted
const FOUND_MS = 30000;   // names found by room are not left standing
const BURST_MS = 40;      // no hand types this fast: a scanner turned into a keyboard does
const REASONS = {
  admit: ['known-by-sight', 'document-sighted', 'dead-phone', 'pass-expired', 'child-or-elder', 'visitor-confirmed'],
  refuse: ['not-known', 'no-business', 'level-forbids'],
};
const TONES = { // [Hz, start, length in s, wave]
  admit: [[880, 0, .09, 'sine'], [1320, .1, .16, 'sine']],
  refuse: [[196, 0, .2, 'square'], [196, .28, .32, 'square']],
  hold: [[587, 0, .12, 'triangle'], [587, .18, .12, 'triangle'], [587, .36, .12, 'triangle']],
  fault: [[330, 0, .25, 'sawtooth'], [233, .27, .25, 'sawtooth'], [330, .54, .25, 'sawtooth'], [233, .81, .35, 'sawtooth']],
  repeat: [[440, 0, .06, 'sine']],
  emergency: [[660, 0, .18, 'square'], [990, .2, .18, 'square'], [660, .4, .18, 'square'], [990, .6, .18, 'square']],
};

let view = null;      // the newest the gate sent
let gateTime = null;  // the gate's own time, as text, when `heard` was stamped
let heard = null;     // when the gate was heard last
let opened = null;    // when the stream was opened
let source = null;
let shown = '';       // which answer the stage has or had: it is fresh only once
let born = null;      // when that answer was given, on this browser's clocks; null: nothing to show
let lost = true;
let chosen = '';      // the hold that keys act on
let choice = '';      // admit or refuse, while its reason is being chosen
let found = null;     // people found by room; null: none asked for
let foundAt = null;
let signing = false;
let shortRoot = ''; // what to copy into the handover book
let sure = 0;         // when the clock's first confirmation was pressed
let opening = {};     // lanes whose emergency key was pressed and not yet answered
let taking = '';      // the lane that a picture is being taken for
let reading = {};     // lanes whose picture was sent and not yet answered
const slots = new Map(); // passage → digit; a card keeps its digit while it is open, so that no key hits the wrong one
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
  e.addEventListener('input', () => drafts[id] = e.value);
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
  s.onerror = () => {
    if (s !== source) return;
    s.close();
    setTimeout(() => s === source && connect(), 1000);
  };
}

function receive(v) {
  if (view && v.version !== view.version) return location.reload(); // the gate was upgraded: so is its page
  const before = view, a = v.last;
  view = v;
  const id = a ? [a.passage, a.at, a.verdict, a.repeat].join(' ') : '';
  if (id !== shown) {
    shown = id;
    // An answer from the future means that the clock was set back: its age is unknown, so it is not fresh.
    const age = a ? Date.parse(v.now) - Date.parse(a.at) : Infinity;
    born = age > -2000 && age < VERDICT_MS ? stamp(Math.max(0, age)) : null;
    if (before && born) sound(look(a));
  }
  if (before && v.lanes.some(l => !l.up && before.lanes.some(b => b.id === l.id && b.up))) sound('fault');
  const open = v.holds = (v.holds || []).sort((a, b) => Date.parse(a.since) - Date.parse(b.since)); // who waits longest is first
  for (const passage of slots.keys()) if (!open.some(o => o.passage === passage)) slots.delete(passage);
  for (const o of open) {
    if (slots.has(o.passage)) continue;
    const taken = [...slots.values()];
    slots.set(o.passage, [1, 2, 3, 4, 5, 6, 7, 8, 9].find(n => !taken.includes(n)) || 0);
  }
  if (!open.some(o => o.passage === chosen)) {
    chosen = open.length ? open[0].passage : '';
    choice = '';
  }
}

// tick runs on every message, five times a second, and when the page is seen again.
function tick() {
  if (born && since(born) >= VERDICT_MS) born = null;
  const gone = !heard || since(heard) > LOST_MS;
  if (gone && !lost && heard) sound('fault');
  lost = gone;
  if (lost) {
    born = null;
    choice = '';
    if (since(opened) > LOST_MS) connect();
  }
  if (!born && view && view.last) view.last = null; // with its name
  if (found && since(foundAt) > FOUND_MS) clearFound();
  if (sure && performance.now() - sure > 5000) sure = 0;
  render();
}

// ---- what is seen ----

function look(a) {
  if (a.repeat) return 'repeat';
  if (a.emergency) return 'emergency';
  return ['admit', 'refuse', 'hold', 'fault'].includes(a.verdict) ? a.verdict : 'other';
}
const way = direction => [icon(direction === 'out' ? 'out' : 'in'), t('direction', direction)];
const laneName = l => t('direction', l.direction) + (view.lanes.filter(o => o.direction === l.direction).length > 1 ? ' ' + l.id : '');
function lasting(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60);
  return m >= 60 ? Math.floor(m / 60) + ' h ' + m % 60 + ' min' : m + ':' + String(s % 60).padStart(2, '0');
}
const reasons = (...words) => words.filter(Boolean).join(' · ');

function render() {
  document.documentElement.lang = lang() === 'en' ? 'en' : 'zh-CN';
  renderLost();
  if (!view) return;
  document.title = view.gate;
  $('gate').textContent = view.gate;
  $('clock').textContent = clock(gateTime);
  $('clock').className = view.clock.trusted ? '' : 'bad';
  paint($('inside'), view.inside, () => [p('inside') + ' ', h('b', {}, view.inside.toLocaleString('en')), p('people') && ' ' + p('people')]);
  paint($('language'), 0, () => [p('other-language')]);
  renderSound();
  renderDuty();
  renderAlarms();
  renderStage();
  renderHolds();
  renderFound();
  renderAccounts();
  paint($('recent'), view.recent, () => [h('h2', {}, p('recent')), (view.recent || []).length ? h('ol', {}, ...view.recent.map(recent)) : h('p', { class: 'none' }, p('no-recent'))]);
  renderLanes();
}

function renderLost() {
  $('lost').hidden = !lost;
  document.body.className = lost ? 'lost' : '';
  if (!lost) return;
  $('lost').className = heard ? '' : 'soft';
  paint($('lost'), !!heard, () => heard
    ? [icon('lost', ''), h('b', {}, p('lost')), h('p', {}, p('lost-do')), h('p', {}, h('kbd', {}, 'F9'), ' ' + p('lost-key'))]
    : [h('p', {}, p('connecting'))]);
}

function renderSound() {
  const state = recall('sound') === 'off' ? 'sound-off' : !audio || audio.state !== 'running' ? 'sound-blocked' : 'sound-on';
  $('sound').className = state === 'sound-blocked' ? 'blocked' : '';
  paint($('sound'), state, () => [p(state)]);
}

function renderDuty() {
  paint($('duty'), [view.duty, signing], () => {
    // The characters stay as they were when the form opened: a guard copies them by hand while people pass.
    if (signing) return [input('duty-name', { placeholder: p('duty-name'), maxLength: 30 }), ...shortRoot ? [h('span', { class: 'short-root' }, p('handover-book') + ' ', h('b', {}, shortRoot))] : []];
    const b = view.duty ? h('button', { type: 'button' }, p('duty') + ' ', h('b', {}, view.duty), ' ', h('span', { class: 'tag' }, p('unauthenticated')))
      : h('button', { type: 'button', class: 'nobody' }, p('nobody-on-duty'));
    b.onclick = () => { signing = true; shortRoot = view.short_root.replace(/:(....)(....)(....)/, ': $1 $2 $3 '); drafts['duty-name'] = ''; render(); $('duty-name').focus(); };
    return [b];
  });
}

function renderAlarms() {
  const verdict = stageShows() === 'verdict', list = [];
  for (const l of view.lanes) {
    if (l.latched) list.push(['open', l, p('latched-do')]);
    if (l.barrier === 'open-by-hand') list.push(['hand', l, p('open-by-hand')]);
    if (l.unasked) list.push(['unasked', l, p('opened-unasked-do')]);
    if (!l.up && (verdict || view.fault)) list.push(['down', l, t('cause', l.cause || l.scanner)]);
    if (l.up && l.dropped) list.push(['dropped', l, t('dropped', l.dropped)]);
    if (l.up && l.cause) list.push(['silent', l, t('cause', l.cause)]);
  }
  if (view.low_space) list.push(['space', null, p('low-space-do')]);
  if (!view.clock.trusted) list.push(['time', null, t('clock', view.clock.reason), sure ? gateTime.slice(0, 16).replace('T', ' ') : '']);
  paint($('alarms'), list, () => list.map(([kind, l, text, asked]) => {
    const e = h('div', { class: 'alarm ' + kind });
    if (kind === 'open') e.append(...way(l.direction).slice(0, 1), h('b', {}, laneName(l) + ' · ' + p('latched')), h('span', {}, text), button('close-' + l.id, p('close-barrier'), () => act('api/close', { lane: l.id })));
    if (kind === 'hand') e.append(h('b', {}, laneName(l)), h('span', {}, text));
    if (kind === 'unasked') e.append(h('b', {}, laneName(l) + ' · ' + p('opened-unasked')), h('span', {}, text));
    if (kind === 'silent' || kind === 'dropped') e.append(h('b', {}, laneName(l) + ' · ' + p('scanner')), h('span', {}, text));
    if (kind === 'down') e.append(icon('down'), h('b', {}, laneName(l) + ' · ' + t('verdict', 'down')), h('span', {}, text));
    if (kind === 'space') e.append(h('b', {}, p('low-space')), h('span', {}, text));
    if (kind === 'time') e.append(h('b', {}, p('clock-bad')), h('span', {}, asked ? asked + ' ?' : text), button('clock-right', asked ? p('clock-sure') : p('clock-right'), confirmClock));
    return e;
  }));
}
function button(id, text, onclick) { return h('button', { id, type: 'button', onclick }, text); }

function stageShows() {
  if (view.fault) return 'fault';
  if (born) return 'verdict';
  return view.lanes.some(l => !l.up) ? 'down' : 'ready';
}

function renderStage() {
  const what = stageShows(), stage = $('stage'), down = view.lanes.filter(l => !l.up);
  const key = what === 'verdict' ? shown : what === 'fault' ? [view.fault, born && shown] : down.map(l => [l.id, l.cause, l.since]);
  paint(stage, [what, key], () => {
    if (what === 'fault') return [troubleFault(view.fault, born && view.last)];
    const rest = down.length ? troubleDown(down) : h('div', { class: 'ready' }, icon('ready', ''), h('b', {}, t('verdict', 'ready')), h('p', {}, p('show-code')));
    return [rest, what === 'verdict' && verdict(view.last)];
  });
  const d = stage.querySelector('.lasting');
  if (d) d.textContent = lasting(gateNow() - Date.parse(down[0].since));
}

function verdict(a) {
  const kind = look(a), word = kind === 'other' ? a.verdict : t('verdict', kind);
  const w = h('div', { class: 'word' }, word);
  w.style.setProperty('--n', ems(word));
  const why = kind === 'repeat' ? p('last-answer') + ' · ' + t('verdict', a.verdict) : kind === 'emergency' ? p('emergency-do') : t('reason', a.reason);
  const small = [h('div', { class: 'why' }, why), h('div', { class: 'who' }, reasons(a.name, a.room, health(a)))];
  const e = h('div', { class: 'verdict ' + kind },
    h('div', { class: 'way' }, ...way(a.direction)),
    kind !== 'emergency' ? h('div', { class: 'kind' }, t('class', a.class)) : null,
    h('div', { class: 'sign' }, icon(kind === 'other' ? 'fault' : kind, 'shape'), w, ...small));
  // The fade belongs to the compositor: it goes on when this script hangs, so that not even then green stays.
  const age = since(born), bar = h('div', { class: 'age' });
  e.append(bar);
  e.animate([{ opacity: 1 }, { opacity: 1, offset: .93 }, { opacity: 0 }], { duration: VERDICT_MS, fill: 'forwards' }).currentTime = age;
  bar.animate([{ transform: 'scaleX(1)' }, { transform: 'scaleX(0)' }], { duration: VERDICT_MS, fill: 'forwards' }).currentTime = age;
  return e;
}

// What a health certificate states, of a negative test with its age.
function health(a) {
  if (!a.health) return '';
  return t('health', a.health) + (a.health === 'negative-test' ? ' ' + (a.test_hours || 0) + ' ' + p('hours') : '');
}

function troubleFault(f, a) {
  const word = p('fault-title'), w = h('div', { class: 'word' }, word);
  w.style.setProperty('--n', ems(word));
  return h('div', { class: 'trouble fault' }, h('div', { class: 'sign' }, w,
    h('p', { class: 'cause' }, t('reason', f.text)),
    h('dl', {}, h('dt', {}, p('fault-do')), h('dd', {}, p('fault-do-this')), ...(f.call ? [h('dt', {}, p('fault-call')), h('dd', { class: 'call' }, f.call)] : [])),
    h('p', {}, p('fault-still')),
    a && h('p', {}, ...way(a.direction).slice(0, 1), ' ' + reasons(t('class', a.class), t('credential', a.credential), t('reason', a.found || a.reason), a.name, a.room))));
}

function troubleDown(down) {
  const word = t('verdict', 'down'), w = h('div', { class: 'word' }, word), ok = view.lanes.filter(l => l.up);
  w.style.setProperty('--n', ems(word));
  return h('div', { class: 'trouble down' }, icon('down', ''), w,
    ...down.map((l, i) => h('p', {}, laneName(l) + ' · ' + t('cause', l.cause || l.scanner) + ' · ' + p('down-since') + ' ', i ? lasting(gateNow() - Date.parse(l.since)) : h('span', { class: 'lasting' }))),
    h('p', { class: 'fine' }, p('down-do')),
    ok.length ? h('p', { class: 'fine' }, p('other-lanes') + ' · ' + ok.map(laneName).join(', ')) : null);
}

function renderHolds() {
  const list = view.holds || [];
  paint($('holds'), [list, chosen, choice, [...slots]], () => [
    h('h2', {}, p('holds') + (list.length ? ' ' + list.length : ''), list.length ? h('small', {}, p('keys')) : ''),
    ...(list.length ? list.map(o => card(o, list.length > (choice ? 2 : 3))) : [h('p', { class: 'none' }, p('no-holds'))])]);
  for (const e of $('holds').querySelectorAll('.card')) {
    const o = e.hold, left = Date.parse(o.until) - gateNow(), text = e.querySelector('.left');
    text.textContent = lasting(left);
    text.classList.toggle('soon', left < 15000);
    e.querySelector('.bar').style.transform = `scaleX(${Math.max(0, Math.min(1, left / (Date.parse(o.until) - Date.parse(o.at))))})`;
  }
}

function card(o, many) {
  const on = o.passage === chosen, slot = slots.get(o.passage), key = slot ? h('kbd', {}, slot) : null;
  const why = reasons(t('class', o.class), t('reason', o.reason), health(o));
  const e = h('div', { class: 'card' + (on ? ' on' : '') + (many && !on ? ' row' : '') });
  e.hold = o;
  e.dataset.passage = o.passage;
  const name = h('span', { class: 'name' }, o.name || t('class', o.class), o.room ? h('small', {}, o.room) : '');
  const left = h('span', { class: 'left' }), bar = h('div', { class: 'bar' });
  const arrow = h('span', { class: 'lane-way' }, ...way(o.direction));
  if (many && !on) {
    e.append(h('div', { class: 'top' }, key, arrow, name, h('span', { class: 'why' }, t('reason', o.reason)), left), bar);
    e.onclick = () => { chosen = o.passage; choice = ''; render(); };
    return e;
  }
  e.append(h('div', { class: 'top' }, key, arrow, name, left), h('div', { class: 'why' }, why));
  if (on && choice) {
    const yes = choice === 'admit' ? 'yes' : 'no';
    e.append(h('div', { class: 'pair' }, ...REASONS[choice].map((r, i) => h('button', { type: 'button', class: yes, onclick: () => rule(o.passage, choice, r) }, h('kbd', {}, i + 1), t('reason', r)))),
      h('div', { class: 'more' }, input('note-' + o.passage, { placeholder: 'N  ' + p('note'), maxLength: 160 }), h('button', { type: 'button', onclick: () => { choice = ''; render(); } }, h('kbd', {}, 'Esc'), p('back'))));
  } else {
    const choose = v => () => { chosen = o.passage; choice = v; render(); };
    e.append(h('div', { class: 'pair act' },
      h('button', { type: 'button', class: 'yes', onclick: choose('admit') }, on ? h('kbd', {}, 'A') : '', p('admit')),
      h('button', { type: 'button', class: 'no', onclick: choose('refuse') }, on ? h('kbd', {}, 'R') : '', p('refuse'))));
  }
  e.append(bar);
  return e;
}

function renderFound() {
  $('room').placeholder = p('find');
  paint($('found'), found && [found, view.lanes.map(l => l.id)], () => {
    if (!found) return [];
    if (found === 'wait') return [h('p', { class: 'none' }, p('finding'))];
    if (!found.length) return [h('p', { class: 'none' }, p('nobody'))];
    return found.map(f => h('div', {}, h('span', {}, f.name, h('small', {}, reasons(f.room, t('class', f.class)))),
      ...view.lanes.map(l => h('button', { type: 'button', title: p('lane') + ' ' + l.id, onclick: () => present(l, f) }, icon(l.direction === 'out' ? 'out' : 'in'), laneName(l)))));
  });
}

function renderAccounts() {
  const list = view.to_account_for || [];
  paint($('accounts'), list, () => list.length ? [h('h2', {}, p('to-account-for') + ' ' + list.length), ...list.map(d => {
    const lane = view.lanes.find(l => l.id === d.lane), f = h('form', {}, h('span', {}, clock(d.since).slice(0, 5) + ' ' + (lane ? laneName(lane) : d.lane) + ' · ' + t('account', d.what)));
    if (d.what === 'entry-pending') return f;
    f.append(input('account-' + d.id, { placeholder: p('account-note'), maxLength: 160 }), h('button', {}, p('save')));
    f.onsubmit = async e => {
      e.preventDefault();
      const note = (drafts['account-' + d.id] || '').trim();
      if (note && await act('api/account', { id: d.id, note })) delete drafts['account-' + d.id];
    };
    return f;
  })] : []);
}

function recent(a) {
  const kind = look(a);
  return h('li', {}, h('time', {}, clock(a.at)), icon(a.direction === 'out' ? 'out' : 'in'), icon(kind === 'other' ? 'fault' : kind, 'mark ' + kind),
    h('span', {}, t('class', a.class), ' ', h('i', {}, kind === 'repeat' ? t('verdict', 'repeat') : t('reason', a.reason))));
}

function renderLanes() {
  paint($('lanes'), [view.lanes, opening, reading], () => view.lanes.map((l, i) => {
    const busy = opening[l.id];
    const panic = h('button', { type: 'button', id: 'panic-' + l.id, class: 'panic' + (l.latched ? ' open' : ''), disabled: l.latched },
      i < 2 ? h('kbd', {}, 'F' + (9 + i)) : '', busy ? p('opening') : l.latched ? p('latched') : p('emergency'));
    // At the press, not at the release; a click without a press comes from the keyboard or a screen reader.
    panic.onpointerdown = e => e.button === 0 && emergency(l.id);
    panic.onclick = e => e.detail === 0 && emergency(l.id);
    return h('div', { class: 'lane' + (l.up ? '' : ' down') },
      h('span', { class: 'way' }, ...way(l.direction)),
      h('div', { class: 'state' },
        h('div', { class: l.up ? 'ok' : 'bad' }, p('scanner') + ' ' + t('scanner', l.scanner)),
        l.card_reader && l.card_reader !== 'up' ? h('div', { class: 'card-reader bad', title: t('cause', l.card_reader) }, p('card-reader') + ' ' + t('cause', l.card_reader)) : null,
        l.sensor === 'unreadable' ? h('div', { class: 'sensor bad' }, p('sensor-unreadable')) : null,
        h('div', {}, l.barrier === 'open-by-hand' ? h('b', {}, p('barrier-by-hand')) : h('i', {}, p('lane') + ' ' + l.id))),
      h('button', { type: 'button', id: 'picture-' + l.id, class: 'picture', disabled: !!reading[l.id], title: p('picture'), 'aria-label': p('picture'), onclick: () => takePicture(l.id) },
        icon('picture'), h('span', {}, reading[l.id] ? p('reading') : p('picture'))),
      panic);
  }));
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
async function act(path, body) {
  const r = await post(path, body);
  if (!r.ok) toast(r.status === 0 ? p('not-sent') : r.status === 409 ? p('gone') : r.status === 503 ? p('no-ledger') : p('failed') + ': ' + (r.data.error || r.status));
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
  if (opening[lane]) return;
  opening = { ...opening, [lane]: true };
  const sent = post('api/emergency', { lane }, 3000); // first of all
  if (view) render();
  const r = await sent;
  opening = { ...opening, [lane]: false };
  if (r.ok) $('alert').hidden = true;
  else {
    $('alert').replaceChildren(h('b', {}, p('not-opened')), h('p', {}, p('lane') + ' ' + lane), h('p', {}, r.data.error || p('not-sent')), h('p', {}, h('kbd', {}, 'Esc')));
    $('alert').hidden = false;
    sound('fault');
  }
  if (view) render();
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

let ruling = false;
async function rule(passage, verdict, reason) {
  if (ruling) return;
  ruling = true;
  const note = drafts['note-' + passage] || '';
  choice = '';
  render();
  await act('api/decide', { passage, verdict, reason, note });
  delete drafts['note-' + passage];
  ruling = false;
}

function confirmClock() {
  if (!sure) sure = performance.now();
  else {
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
  found = found || 'wait';
  foundAt = stamp();
  const r = await fetch('api/find?room=' + encodeURIComponent(room), { signal: AbortSignal.timeout(5000) }).then(r => r.ok ? r.json() : [], () => null);
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
  const out = await act('api/present', { lane: lane.id, id: person.id });
  if (!out) return;
  chosen = out.passage;
  choice = '';
  if (view && (view.holds || []).some(o => o.passage === chosen)) render();
}

// ---- sound ----

let audio = null;
try { audio = new AudioContext(); } catch { /* a browser without sound */ }
function sound(kind) {
  if (!audio || audio.state !== 'running' || recall('sound') === 'off') return;
  for (const [hz, start, length, wave] of TONES[kind] || TONES.hold) {
    const o = audio.createOscillator(), g = audio.createGain(), at = audio.currentTime + start;
    o.type = wave;
    o.frequency.value = hz;
    g.gain.setValueAtTime(0, at);
    g.gain.linearRampToValueAtTime(wave === 'sine' || wave === 'triangle' ? .5 : .22, at + .01);
    g.gain.linearRampToValueAtTime(0, at + length);
    o.connect(g).connect(audio.destination);
    o.start(at);
    o.stop(at + length + .02);
  }
}
function wake() { if (audio && audio.state === 'suspended') audio.resume().then(tick); }

// ---- keys ----

let lastKey = 0;
addEventListener('keydown', e => {
  wake();
  // The emergency keys come before everything, wherever the cursor is.
  if (e.key === 'F9' || e.key === 'F10') {
    e.preventDefault();
    const lane = view && view.lanes[e.key === 'F9' ? 0 : 1];
    if (lane && !e.repeat && (lost || !lane.latched)) emergency(lane.id);
    return;
  }
  if (e.repeat) return;
  const burst = performance.now() - lastKey < BURST_MS;
  lastKey = performance.now();
  if (!$('alert').hidden) {
    if (e.key === 'Escape') $('alert').hidden = true;
    return;
  }
  const typing = e.target instanceof HTMLInputElement;
  if (e.key === 'Escape') {
    if (found) clearFound();
    else if (!typing) choice = '';
    signing = false;
    document.activeElement.blur();
    return render();
  }
  if ($('find').contains(e.target)) {
    const buttons = [...$('found').querySelectorAll('button')], at = buttons.indexOf(e.target), row = view.lanes.length;
    const to = { ArrowDown: at < 0 ? 0 : at + row, ArrowUp: at - row, ArrowRight: at < 0 ? -1 : at + 1, ArrowLeft: at < 0 ? -1 : at - 1 }[e.key];
    if (to !== undefined && (at >= 0 || buttons[to])) {
      e.preventDefault();
      (buttons[to] || (to < 0 ? $('room') : e.target)).focus();
    }
    if (foundAt) foundAt = stamp();
    return;
  }
  if (e.key === 'Enter' && e.target.id.startsWith('note-')) return e.target.blur(); // then the digit
  if (typing || lost || !view || e.ctrlKey || e.altKey || e.metaKey) return;
  if (burst) { // a wedge scanner's "A1" must never admit
    choice = '';
    return render();
  }
  // With a Chinese input method on, the key is "Process": then its place on the keyboard counts.
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.code.replace(/^(Key|Digit|Numpad)(?=.$)/, '').toLowerCase();
  if (key === '/' || e.code === 'NumpadDivide') {
    e.preventDefault();
    $('room').focus();
  } else if (/^[1-9]$/.test(key)) {
    const reason = choice && REASONS[choice][key - 1], at = [...slots].find(([, n]) => n === Number(key));
    if (reason) rule(chosen, choice, reason);
    else if (!choice && at) chosen = at[0];
  } else if (key === 'a' || key === 'r') {
    if (chosen) choice = key === 'a' ? 'admit' : 'refuse';
  } else if (key === 'n' && choice) {
    e.preventDefault();
    $('note-' + chosen).focus();
  } else return;
  render();
}, true);

addEventListener('pointerdown', wake, true);
$('alert').onclick = () => $('alert').hidden = true;
$('room').addEventListener('input', () => {
  clearTimeout(findTimer);
  findTimer = setTimeout(find, 200);
});
$('find').onsubmit = async e => {
  e.preventDefault();
  await find();
  const first = $('found').querySelector('button');
  if (first) first.focus();
};
$('duty').onsubmit = async e => {
  e.preventDefault();
  const name = (drafts['duty-name'] || '').trim();
  if (name && !await act('api/duty', { name })) return;
  signing = false;
  render();
};
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
