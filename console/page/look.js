// What the guard sees: each part of the page as the newest view says it is.
'use strict';

function look(a) {
  if (a.repeat) return 'repeat';
  if (a.emergency) return 'emergency';
  if (notOurs(a)) return 'not-ours';
  return ['admit', 'refuse', 'hold', 'fault', 'undecided'].includes(a.verdict) ? a.verdict : 'other';
}
// notOurs tells of a code of something else, such as a payment, an order or a chat: nobody did wrong.
const notOurs = a => a.verdict === 'refuse' && a.reason === 'unknown-code';
const verdictText = a => notOurs(a) ? t('reason', a.reason) : t('verdict', a.verdict);
// official tells of a plate of the police or an emergency service that was typed or printed.
const official = a => a.reason === 'official-plate';
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
  paint($('inside'), [view.inside, view.vehicles_inside], () => [p('inside') + ' ', h('b', {}, view.inside.toLocaleString('en')), p('people') && ' ' + p('people'),
    ...view.vehicles_inside ? [' · ', h('b', {}, view.vehicles_inside.toLocaleString('en')), ' ' + p('vehicles')] : []]);
  renderLevels();
  paint($('language'), 0, () => [p('other-language')]);
  renderSound();
  renderDuty();
  renderAlarms();
  flashHand();
  renderStage();
  renderHolds();
  renderFound();
  renderHand();
  renderVisit();
  renderRight();
  renderAccounts();
  renderOverdue();
  renderComing();
  renderNotice();
  paint($('recent'), view.recent, () => [h('h2', {}, p('recent')), (view.recent || []).length ? h('ol', {}, ...view.recent.map(recent)) : h('p', { class: 'none' }, p('no-recent'))]);
  renderLanes();
  renderNotOpened();
  tellAnswering();
  notePlaces();
}

// places is where what can be tapped stands, and since when: a finger on its way was meant for what stood there before.
const places = new Map(), PLACED = '.card, #found, #find, #hand, #visit, #right, #accounts, .alarm';
const placeOf = e => e.dataset.passage || e.id || e.className + (e.lastChild.id || '');
function notePlaces() {
  for (const e of document.querySelectorAll(PLACED)) {
    const id = placeOf(e), top = Math.round(e.getBoundingClientRect().top), was = places.get(id);
    if (!was || was.top !== top) places.set(id, { top, at: performance.now() });
  }
  for (const id of places.keys()) if (![...document.querySelectorAll(PLACED)].some(e => placeOf(e) === id)) places.delete(id);
}
const justMoved = (e, at) => !!e && at - (places.get(placeOf(e)) || { at: at }).at < TAP_MS;

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

// The level of the compound, and those of buildings and units that have their own; what each rests on is told by a touch.
function renderLevels() {
  const list = (view.levels || []).filter(l => l.state === 'in-force');
  paint($('level'), list, () => [p('level') + ' ', ...list.map(l => h('span', {
    class: l.oral ? 'oral' : '',
    onclick: () => showNotice(l.entry),
    title: l.entry ? reasons(l.oral ? p('oral') : l.number, l.issuer, l.until && clock10(l.until)) : p('settings'),
  }, l.place && l.place + ' ', h('b', {}, t('level', l.level)), l.oral ? ' ' + p('oral') : ''))]);
}
const clock10 = time => time.slice(0, 16).replace('T', ' ');

function renderAlarms() {
  const list = [];
  for (const l of view.lanes) {
    if (l.latch) list.push([l.latch, l, { opening: p('opening'), open: p('latched-do'), failed: p('not-opened-do'), 'by-hand': p('by-hand-do') }[l.latch]]);
    if (l.by_hand && !l.latch) list.push(['hand-open', l, handText(l), handIs() === l.id + ' ' + entryOf(l)]);
    if (l.barrier === 'open-by-hand' && l.latch !== 'failed' && !l.by_hand) list.push(['hand', l, p('open-by-hand')]);
    if (l.unasked) list.push(['unasked', l, p('opened-unasked-do')]);
    if (l.latch_lost) list.push(['lost', l, p('latch-lost-do')]);
    if (l.wrong_tries) list.push(['tries', l, p('wrong-tries-do')]);
    if (!l.up && (fresh(l) || l.latch || l.by_hand || view.fault)) list.push(['down', l, t('cause', l.cause || l.scanner)]);
    if (l.up && l.dropped) list.push(['dropped', l, t('dropped', l.dropped)]);
    if (l.up && l.cause) list.push(['silent', l, t('cause', l.cause)]);
  }
  if (typedAt) list.push(['keyboard', null, p('keyboard-do')]);
  if (view.roster_fault) list.push(['roster', null, p('roster-fault-do')]);
  for (const f of view.setup_faults || []) list.push(['setup', null, f.what + ': ' + f.why, f.last_good]);
  for (const l of session.locked || []) list.push(['locked', null, reasons(l.name, p('locked-until') + ' ' + clock(l.until)), session.may_lift && l.name]);
  if (view.low_space) list.push(['space', null, p('low-space-do')]);
  if (!view.clock.trusted) list.push(['time', null, t('clock', view.clock.reason), sure ? gateTime.slice(0, 16).replace('T', ' ') : '']);
  paint($('alarms'), list, () => list.map(([kind, l, text, asked]) => {
    const e = h('div', { class: 'alarm ' + kind }), say = (...title) => e.append(...title, h('span', {}, text));
    const close = () => e.append(button('close-' + l.id, p('close-barrier'), () => act('api/close', { lane: l.id })));
    if (kind === 'opening') say(...way(l.direction).slice(0, 1), h('b', {}, laneName(l) + ' · ' + p('emergency')));
    if (kind === 'open') say(...way(l.direction).slice(0, 1), h('b', {}, laneName(l) + ' · ' + p('latched'))), close();
    if (kind === 'by-hand') say(...way(l.direction).slice(0, 1), h('b', {}, laneName(l) + ' · ' + p('emergency'))), close();
    if (kind === 'hand-open') say(icon('hand'), h('b', {}, laneName(l) + ' · ' + p('by-hand'))), e.append(handHeads(l));
    if (kind === 'failed') say(h('b', {}, laneName(l) + ' · ' + p('not-opened'))), close();
    if (kind === 'hand') say(h('b', {}, laneName(l)));
    if (kind === 'unasked') say(h('b', {}, laneName(l) + ' · ' + p('opened-unasked')));
    if (kind === 'lost') say(h('b', {}, laneName(l) + ' · ' + p('latch-lost')));
    if (kind === 'tries') say(h('b', {}, laneName(l) + ' · ' + p('wrong-tries')));
    if (kind === 'silent' || kind === 'dropped') say(h('b', {}, laneName(l) + ' · ' + p('scanner')));
    if (kind === 'down') say(icon('down'), h('b', {}, laneName(l) + ' · ' + t('verdict', 'down')));
    if (kind === 'keyboard') say(h('b', {}, p('keyboard')));
    if (kind === 'roster') say(h('b', {}, p('roster-fault')));
    if (kind === 'setup') say(h('b', {}, p(asked ? 'setup-old' : 'setup-without')));
    if (kind === 'locked') say(h('b', {}, p('pin-guessing'))), asked && e.append(button('lift', p('lift'), () => act('api/lift', { name: asked })));
    if (kind === 'space') say(h('b', {}, p('low-space')));
    if (kind === 'time') {
      say(h('b', {}, p('clock-bad')));
      if (asked) e.lastChild.textContent = asked + ' ?';
      e.append(button('clock-right', asked ? p('clock-sure') : p('clock-right'), confirmClock));
    }
    return e;
  }));
}
function button(id, text, onclick) { return h('button', { id, type: 'button', onclick }, text); }

// The stage has a part for each lane: an answer at one covers none at another.
function renderStage() {
  const answers = view.lanes.filter(fresh).map(l => l.last);
  if (view.fault) return paint($('stage'), [view.fault, answers], () => [troubleFault(view.fault, answers)]);
  paint($('stage'), view.lanes.map(l => l.id), () => view.lanes.map(l => h('div', { class: 'part', id: 'stage-' + l.id })));
  for (const l of view.lanes) {
    const part = $('stage-' + l.id), shows = fresh(l) ? stage.get(l.id).shown : l.latch ? l.latch : l.by_hand || (l.up ? 'ready' : [l.cause, l.since]);
    paint(part, [shows, l.direction, view.lanes.length], () => [fresh(l) ? verdict(l.last) : l.latch ? latch(l) : l.by_hand ? handStage(l) : l.up ? ready(l) : troubleDown(l)]);
    const d = part.querySelector('.lasting');
    if (d) d.textContent = lasting(gateNow() - Date.parse(l.since));
  }
}
function word(text) {
  const w = h('div', { class: 'word' }, text);
  w.style.setProperty('--n', ems(text));
  return w;
}
const wayOf = l => h('div', { class: 'way' }, ...way(l.direction), view.lanes.filter(o => o.direction === l.direction).length > 1 ? h('small', {}, l.id) : '');
const ready = l => h('div', { class: 'ready' }, wayOf(l), h('div', { class: 'sign' }, icon('ready', ''), h('div', {}, h('b', {}, t('verdict', 'ready')), h('p', {}, p('show-code')))));

// latch is what the barrier says to the emergency key: nothing else is believed, and it stands as long as it is so.
function latch(l) {
  const [kind, shape, text, why] = { opening: ['opening', 'emergency', p('opening'), ''], open: ['emergency', 'emergency', t('verdict', 'emergency'), p('emergency-do')], failed: ['failed', 'fault', p('not-opened'), p('not-opened-do')], 'by-hand': ['emergency', 'emergency', t('verdict', 'emergency'), p('by-hand-do')] }[l.latch];
  return h('div', { class: 'verdict ' + kind }, wayOf(l), h('div', { class: 'sign' }, icon(shape, 'shape'), h('div', { class: 'say' }, word(text), h('div', { class: 'why' }, why))));
}

function verdict(a) {
  const kind = look(a);
  const why = kind === 'repeat' ? p('last-answer') + ' · ' + verdictText(a) : kind === 'not-ours' ? p('show-code') : t('reason', a.reason);
  const e = h('div', { class: 'verdict ' + kind }, wayOf(view.lanes.find(l => l.id === a.lane) || a),
    h('div', { class: 'kind' }, t('class', a.class)),
    h('div', { class: 'sign' }, icon(kind === 'other' ? 'fault' : kind, 'shape'),
      h('div', { class: 'say' }, word(kind === 'other' ? a.verdict : kind === 'not-ours' ? verdictText(a) : t('verdict', kind)), h('div', { class: 'why' }, reasons(why, nextAllowed(a))), h('div', { class: 'who' }, reasons(a.name, a.room, health(a))))));
  // The fade belongs to the compositor: it goes on when this script hangs, so that not even then green stays.
  const age = since(fresh({ id: a.lane })), bar = h('div', { class: 'age' });
  e.append(bar);
  e.animate([{ opacity: 1 }, { opacity: 1, offset: .93 }, { opacity: 0 }], { duration: VERDICT_MS, fill: 'forwards' }).currentTime = age;
  bar.animate([{ transform: 'scaleX(1)' }, { transform: 'scaleX(0)' }], { duration: VERDICT_MS, fill: 'forwards' }).currentTime = age;
  return e;
}

// From which day on they may go out, where only the household's trips are in the way.
const nextAllowed = o => o.next_allowed ? p('next-allowed') + ' ' + o.next_allowed.slice(5) : '';

// What a health certificate states, of a negative test with its age.
function health(a) {
  if (!a.health) return '';
  return t('health', a.health) + (a.health === 'negative-test' ? ' ' + (a.test_hours || 0) + ' ' + p('hours') : '');
}

function troubleFault(f, answers) {
  return h('div', { class: 'trouble fault' }, h('div', { class: 'sign' }, word(p('fault-title')),
    h('p', { class: 'cause' }, t('reason', f.text)),
    h('dl', {}, h('dt', {}, p('fault-do')), h('dd', {}, p('fault-do-this')), ...(f.call ? [h('dt', {}, p('fault-call')), h('dd', { class: 'call' }, f.call)] : [])),
    h('p', {}, p('fault-still')),
    ...answers.map(a => h('p', {}, ...way(a.direction).slice(0, 1), ' ' + reasons(t('class', a.class), t('credential', a.credential), t('reason', a.found || a.reason), a.name, a.room)))));
}

function troubleDown(l) {
  return h('div', { class: 'trouble down' }, wayOf(l), h('div', { class: 'sign' }, icon('down', 'shape'), h('div', { class: 'say' }, word(t('verdict', 'down')),
    h('p', {}, t('cause', l.cause || l.scanner) + ' · ' + p('down-since') + ' ', h('span', { class: 'lasting' })),
    h('p', { class: 'fine' }, p('down-do')))));
}

function renderHolds() {
  const list = cards.filter(c => !c.gone).length;
  paint($('holds'), [cards.map(c => [c.hold, !!c.gone, c.ruled, c.gone && wentHow(c)]), chosen, panel, [...slots]], () => [
    h('h2', {}, p('holds') + (list ? ' ' + list : ''), list ? h('small', {}, !chosen ? p('keys-select') : questions(waiting(chosen)).length ? p('keys-ask') : p('keys')) : ''),
    ...(cards.length ? cards.map(c => c.gone || c.ruled ? wentCard(c) : card(c.hold, cards.length > (panel ? 2 : 3))) : [h('p', { class: 'none' }, p('no-holds'))])]);
  for (const e of $('holds').querySelectorAll('.card:not(.gone)')) {
    const o = e.hold, left = Date.parse(o.until) - gateNow(), text = e.querySelector('.left');
    text.textContent = lasting(left);
    text.classList.toggle('soon', left < 15000);
    showAnswers(e, o);
    e.querySelector('.bar').style.transform = `scaleX(${Math.max(0, Math.min(1, left / (Date.parse(o.until) - Date.parse(o.at))))})`;
  }
}

// cardTop is who waits, where; e stands at its end.
function cardTop(o, e, ...between) {
  const slot = slots.get(o.passage);
  return h('div', { class: 'top' }, slot ? h('kbd', {}, slot) : null, h('span', { class: 'lane-way' }, ...way(o.direction)),
    h('span', { class: 'name' }, h('bdi', {}, o.name || t('class', o.class)), o.room ? h('small', {}, o.visit ? p('for-host') + ' ' + hostText(o.room) : o.room) : ''), ...between, e);
}

// Only the card that is selected has buttons, and one press decides: what a second tap falls on decides nothing.
function card(o, many) {
  const on = o.passage === chosen, row = many && !on;
  const e = h('div', { class: 'card' + (on ? ' on' : row ? ' row' : ' off') });
  e.hold = o;
  e.dataset.passage = o.passage;
  e.append(cardTop(o, h('span', { class: 'left' }), row ? h('span', { class: 'why' }, t('reason', o.reason)) : ''));
  if (!row) e.append(h('div', { class: 'why' }, reasons(t('class', o.class), t('reason', o.reason), nextAllowed(o), health(o))), o.permit ? h('div', { class: 'why permit' }, permitText(o)) : '', o.refused ? h('div', { class: 'why only-urgent' }, p('only-urgent')) : '');
  if (on) {
    const five = headsOf(o), one = (verdict, key, heads) => h('button', { type: 'button', class: verdict === 'admit' ? 'yes' : 'no', onclick: e => tap(e, o.passage, verdict, atOnce(o, verdict), heads) },
      h('kbd', {}, key), h('span', {}, p(verdict) + (o.group && verdict === 'admit' ? ' +' + (heads || 1) : ''), h('small', {}, t('reason', atOnce(o, verdict)))));
    if (o.ask) e.append(askForm(o));
    e.append(h('div', { class: 'pair act' + (five ? ' heads-too' : '') }, o.refused ? '' : one('admit', 'A'), five ? one('admit', 'F', five) : '', one('refuse', 'R')),
      ...(bySight(o) && !o.refused ? [h('button', { type: 'button', class: 'others by-sight', onclick: e => tap(e, o.passage, 'admit', BYSIGHT) }, h('kbd', {}, 'K'), t('reason', BYSIGHT))] : []),
      h('button', { type: 'button', class: 'others', onclick: () => { panel = !panel; render(); } }, h('kbd', {}, panel ? 'Esc' : 'O'), panel ? p('back') : p('other-reasons')));
    if (panel) e.append(
      h('div', { class: 'pair reasons' }, ...othersOf(o).map(([verdict, reason], i) => h('button', { type: 'button', class: verdict === 'admit' ? 'yes' : 'no', onclick: e => tap(e, o.passage, verdict, reason) }, h('kbd', {}, i + 1), t('reason', reason)))),
      h('div', { class: 'more' }, input('note-' + o.passage, { placeholder: 'N  ' + p('note'), maxLength: 160 })));
  } else e.onclick = () => { choose(o.passage); render(); };
  e.append(h('div', { class: 'bar' }));
  return e;
}

// wentHow is what became of somebody who waits no more, as far as the page knows.
function wentHow(c) {
  const r = c.ruled || (view.recent || []).find(r => r.passage === c.hold.passage);
  if (!r || r.verdict === 'hold') return { kind: 'other', text: c.gone ? p('gone') : '…' };
  if (r.verdict === 'undecided') return { kind: 'other', text: t('reason', r.reason) };
  return { kind: r.verdict, text: reasons(c.ruled ? '' : p('elsewhere'), p(r.verdict), t('reason', r.reason)) };
}
function wentCard(c) {
  const how = wentHow(c), done = c.gone || c.ruled.done;
  return h('div', { class: 'card gone ' + (done ? how.kind : 'other') }, cardTop(c.hold, done ? icon({ admit: 'admit', refuse: 'refuse' }[how.kind] || 'repeat', 'mark') : ''), h('div', { class: 'why' }, done ? how.text : '…'));
}

function renderFound() {
  $('room').placeholder = p('find');
  paint($('found'), found && [found, view.lanes.map(l => l.id), another() && amending.a], () => {
    places.delete('found'); // whoever is in the list now was not there before
    if (!found) return [];
    if (typeof found === 'string' || !found.length) return [h('p', { class: 'none' }, p(found.length ? found : 'nobody'))];
    const instead = another() ? [h('p', { class: 'none' }, reasons(p('instead-of') + ' ' + clock(amending.a.at), t('direction', amending.a.direction), t('class', amending.a.class)))] : [];
    return instead.concat(found.map(f => h('div', {}, h('span', {}, f.name, h('small', {}, reasons(f.room, t('class', f.class)))),
      ...view.lanes.map(l => h('button', { type: 'button', title: p('lane') + ' ' + l.id, onclick: () => present(l, f) }, icon(l.direction === 'out' ? 'out' : 'in'), laneName(l))))));
  });
}

// What the guard can still put right: an admission that they chose in the list of the newest, and refusals against which they may admit.
function renderRight() {
  const refused = view.lanes.filter(l => l.refused);
  paint($('right'), [amending, overriding, refused.map(l => l.refused), view.lanes.map(l => l.id)], () => [
    ...(amending ? amendment(amending) : []), ...refused.flatMap(refusal)]);
}
function amendment({ a, another }) {
  // Only of a person of the roster it can be told without a look at them who went the other way.
  const otherWay = view.lanes.filter(l => l.direction !== a.direction && ROSTERED.includes(a.class));
  const said = Object.values(AFTERWARDS), admitted = a.verdict === 'admit'; // of somebody on whom nobody had decided
  return [h('h2', {}, p('amend-what')), h('div', { class: 'asked amend' },
    h('span', {}, ...way(a.direction), ' ', clock(a.at), ' ', reasons(t('class', a.class), t('reason', a.reason))),
    another ? h('span', {}, p('find-right')) : h('div', {}, ...(said.includes(a.reason)
      ? said.filter(what => what !== a.reason).map(what => button(what, t('reason', what), () => amend('api/afterwards', { what })))
      : [button('annul', p('annul'), () => amend('api/annul', {}))]),
      ...(admitted ? otherWay : []).map(l => button('way-' + l.id, p('it-was') + ' ' + laneName(l), () => amend('api/correct', { lane: l.id }))),
      admitted ? button('another', p('another'), () => { amending = { a, another: true, since: stamp() }; render(); $('room').focus(); }) : ''),
    h('div', {}, button('amend-back', p('back'), () => { amending = null; render(); })))];
}
function refusal(l) {
  const r = l.refused, e = h('div', { class: 'asked refused' + (r.override ? '' : ' slight') },
    h('span', {}, ...way(l.direction), ' ', t('verdict', 'refuse'), ' · ', reasons(t('class', r.class), t('reason', r.reason))));
  if (overriding !== r.passage) {
    e.append(h('div', {}, button('override-' + l.id, r.override ? p('override') : t('reason', 'urgent-need'), () => { overriding = r.passage; drafts.approver = ''; render(); })));
    return [e];
  }
  if (AGREED[r.override]) {
    const f = h('form', {}, input('approver', { placeholder: p('approver-' + r.override), maxLength: 40 }), h('button', {}, p('admit')));
    f.onsubmit = e => {
      e.preventDefault();
      const approver = (drafts.approver || '').trim();
      if (approver) override(r.passage, AGREED[r.override], approver);
    };
    e.append(f);
  }
  const why = r.override === 'guard' ? [...URGENT, ...OVERRIDES] : URGENT;
  e.append(h('div', {}, ...why.map(why => button('why-' + why, t('reason', why), () => override(r.passage, why, '')))));
  return [e];
}

// Of those on whom nobody decided the newest is asked about, until it is said what became of them.
function asked(u, n) {
  return !u ? [] : [h('h2', {}, p('undecided') + ' ' + n), h('div', { class: 'asked' },
    h('span', {}, ...way(u.direction), ' ', clock(u.at).slice(0, 5), ' ', reasons(u.name || t('class', u.class), u.room)),
    h('div', {}, ...Object.entries(AFTERWARDS).map(([key, what]) => h('button', { type: 'button', onclick: e => afterwards(what, e.timeStamp) }, h('kbd', {}, key.toUpperCase()), ' ', t('reason', what)))))];
}

function renderAccounts() {
  const list = view.to_account_for || [], u = askLeft(), n = unsettled().length;
  const all = Math.max(n, view.undecided_in_all - (view.undecided || []).length + n || 0);
  paint($('accounts'), [list, u, all], () => asked(u, all).concat(list.length ? [h('h2', {}, p('to-account-for') + ' ' + list.length), ...list.map(d => {
    const lane = view.lanes.find(l => l.id === d.lane), f = h('form', {}, h('span', {}, clock(d.since).slice(0, 5) + ' ' + (lane ? laneName(lane) : d.lane) + ' · ' + t('account', d.what)));
    if (d.what === 'entry-pending') return f;
    f.append(input('account-' + d.id, { placeholder: p('account-note'), maxLength: 160 }), h('button', {}, p('save')));
    f.onsubmit = async e => {
      e.preventDefault();
      const note = (drafts['account-' + d.id] || '').trim();
      if (note && await act('api/account', { id: d.id, note })) delete drafts['account-' + d.id];
    };
    return f;
  })] : []));
}

function recent(a) {
  const kind = look(a);
  return h('li', {}, h('time', {}, clock(a.at)), icon(a.direction === 'out' ? 'out' : 'in'), icon({ other: 'fault', undecided: 'repeat' }[kind] || kind, 'mark ' + kind),
    h('span', {}, t('class', a.class), ' ', h('i', {}, kind === 'repeat' ? t('verdict', 'repeat') : t('reason', a.reason))),
    a.amend ? h('button', { type: 'button', class: 'amend', onclick: () => { amending = { a, another: false }; render(); } }, p('amend')) : '');
}

function renderLanes() {
  paint($('lanes'), [view.lanes.map(l => ({ ...l, last: null })), opening, reading, lost], () => view.lanes.map((l, i) => {
    const latch = lost ? '' : l.latch || ''; // what it was is not what it is
    const says = opening[l.id] || latch === 'opening' ? p('opening') : { open: p('latched'), failed: p('press-again') }[latch] || p('emergency');
    const panic = h('button', { type: 'button', id: 'panic-' + l.id, class: 'panic ' + latch }, i < 2 ? h('kbd', {}, 'F' + (9 + i)) : '', says);
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
      handButton(l), panic);
  }));
}

// What did not open is said over everything, until somebody has read it or the barrier says that it is open.
function renderNotOpened() {
  const list = Object.entries(notOpened).filter(([id]) => lost || !view.lanes.some(l => l.id === id && l.latch === 'open'));
  $('alert').hidden = !list.length;
  paint($('alert'), list, () => [h('b', {}, p('not-opened')), h('b', {}, p('open-now')), ...list.map(([id, { said }]) => h('p', {}, p('lane') + ' ' + id + ' · ' + said)), h('p', {}, h('kbd', {}, 'F9'), ' ' + p('tries-again') + ' · ', h('kbd', {}, 'Esc'), ' ' + p('back'))]);
}
