// Outsiders at the gate: deliveries, taxis, walk-ins, and what is announced. What is entered stands among the drafts until the gate has
// taken it, or the part is closed; the gate checks all of it.
'use strict';

const VISIT_TABS = { x: 'taxi', w: 'walk-in', b: 'book', l: 'list' }; // by the keys that open them; d is that of deliveries
const VISIT_QUESTIONS = {
  taxi: ['host', 'plate'],
  'walk-in': ['host', 'consent', 'purpose', 'people', 'document', 'name', 'plate', 'note'],
  announced: ['how', 'host', 'class', 'consent', 'name', 'phone', 'plate', 'from', 'until', 'entries', 'note'],
  group: ['how', 'host', 'class', 'consent', 'entries', 'from', 'until', 'note'],
  standing: ['how', 'host', 'class', 'name', 'phone', 'plate', 'times', 'days', 'until', 'entries', 'note'],
};
const VISIT_REQUIRED = { taxi: ['host', 'plate'], 'walk-in': ['host', 'consent'], announced: ['host'], group: ['host', 'entries'], standing: ['host', 'until'] };
const BOOKED = ['announced', 'group', 'standing'];
const CONSENTS = { 'walk-in': ['gate-called', 'intercom', 'in-person', 'own-phone', 'none'], book: ['gate-called', 'in-person', 'intercom', 'none'] };
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const VISIT_MOST = { host: 60, name: 60, phone: 20, plate: 12, note: 160, from: 16, until: 16, times: 11, entries: 4 };
const WENT_MS = 5000;  // what became of somebody is shown so long
const WORDS_MS = 5000; // so often what is chosen from is asked for, until it is there

let visiting = '';       // the part that is open; '': none
let visitKeys = false;   // digits are for it
let visitAsk = '';       // the question that they answer, by its name; '': none
let firm = '';           // that delivers, once it was chosen
let typedBuilding = '';  // of more than nine buildings, as far as it is typed
let visitFaults = {};    // what is wrong, by question; '': of none of them
let sending = false;     // what was entered is on its way: true, or the ID of a visit by which somebody passes
let passed = '';         // the newest passage of somebody who did not have to wait
let wentBy = null;       // what became of it: {verdict, text, at}
let chosenFrom = null;   // words and buildings, as the gate has them
let chosenFromAt = null; // when they were asked for

const visitIs = () => [visiting, visitKeys, visitAsk, firm, typedBuilding].join();
const visitId = name => 'visit-' + visiting + '-' + name;
const entered = name => (drafts[visitId(name)] || '').normalize('NFKC').trim();
const visitHow = () => visiting === 'book' ? entered('how') || 'announced' : visiting;
const visitQuestions = () => VISIT_QUESTIONS[visitHow()] || [];
const isForm = () => visitQuestions().length > 0;
const lanesTo = direction => view.lanes.filter(l => l.direction === direction);
// laneTo is the one at which they stand: of several the one that was chosen last.
const laneTo = direction => (lanesTo(direction).find(l => l.id === recall('visit-lane-' + direction)) || lanesTo(direction)[0] || {}).id;
const chosenText = w => lang() === 'en' ? w.en : w.zh;
const listed = (list, word) => { const w = ((chosenFrom || {})[list] || []).find(w => w.word === word); return w ? chosenText(w) : word; };
// hostText is for whom they come: rooms, bodies, or a building.
const hostText = host => (host || '').split(' ').map(h => listed('bodies', h)).join(' ');
// hostOf takes a body by its name, and rooms as they are said.
function hostOf(text) {
  const body = chosenFrom.bodies.find(b => [b.word, b.zh, b.en.toLowerCase()].includes(text.toLowerCase()));
  return body ? body.word : text.replace(/(栋|幢|号楼|单元|[–—−])(?=\d)/g, '-').replace(/室/g, '').replace(/[,，、]/g, ' ');
}

async function askChosenFrom() {
  chosenFromAt = stamp();
  const said = await fetch('api/visit-words', { signal: AbortSignal.timeout(5000) }).then(r => r.ok ? r.json() : null, () => null);
  if (said && said.firms) chosenFrom = said;
}

function openVisit(tab) {
  if (lost || !view || sending) return;
  if (visiting === tab && (tab !== 'list' || visitList)) return closeVisit();
  [panel, asking, hand] = [false, '', null];
  [visiting, visitKeys, visitAsk, firm, typedBuilding, visitFaults] = [tab, true, '', '', '', {}];
  askChosenFrom(); // the buildings may be others
  if (tab === 'list') askVisits();
  render();
  if (isForm()) nextVisit();
}
function closeVisit() {
  for (const id of Object.keys(drafts)) if (id.startsWith('visit-') && id !== 'visit-code') delete drafts[id];
  [visiting, visitKeys, visitAsk, firm, typedBuilding, visitFaults, visitList, printed] = ['', false, '', '', '', {}, null, null];
  render();
}
// leaveVisit has digits select people again; what was entered stays.
function leaveVisit() { [visitKeys, visitAsk, typedBuilding] = [false, '', '']; }
// escapeVisit leaves a field or question first, then the firm, then the part.
function escapeVisit(at) {
  if (!visiting || found) return;
  if ($('visit').contains(at) && isField(at) || visitAsk) visitAsk = '';
  else if (firm) [firm, typedBuilding] = ['', ''];
  else closeVisit();
}
function dropVisits() {
  if (visitList && (since(visitList.at) > FOUND_MS || lost)) visitList = null;
  if (visitSure && performance.now() - visitSure.at > 5000) visitSure = null;
  if (wentBy && since(wentBy.at) > WENT_MS) wentBy = null;
  if (printed && since(printed.at) > PRINTED_MS) closeVisit();
  if (!chosenFrom && !lost && (!chosenFromAt || since(chosenFromAt) > WORDS_MS)) askChosenFrom();
}

// ---- what is entered ----

function askVisit(name) {
  visitAsk = name || '';
  visitKeys = true;
  document.activeElement.blur();
  render();
  const e = name ? $(visitId(name)) : $('visit-send');
  if (e && (isField(e) || !name)) e.focus();
  if (e) e.scrollIntoView({ block: 'nearest' });
}
// nextVisit goes from one question to the next, at first to what is missing, and at last to the button that sends.
function nextVisit() {
  const list = visitQuestions(), at = list.indexOf(visitAsk);
  askVisit(at < 0 ? list.find(lacks) || list[0] : list[at + 1]);
}
const lacks = name => VISIT_REQUIRED[visitHow()].includes(name) && !entered(name);

function pickVisit(name, value) {
  const id = visitId(name), was = drafts[id] || '';
  delete visitFaults[name];
  if (name === 'days') drafts[id] = WEEKDAYS.filter(d => was.split(',').includes(d) !== (d === value)).join();
  else drafts[id] = was === value && !VISIT_REQUIRED[visitHow()].includes(name) ? '' : value;
}
const choicesOf = name => ({
  consent: () => CONSENTS[visiting].map(w => [w, t('consent', w)]),
  purpose: () => chosenFrom.purposes.map(w => [w.word, chosenText(w)]),
  people: () => [1, 2, 3, 4, 5, 6, 7, 8, 9].map(n => [String(n), String(n)]),
  document: () => [['yes', p('document-seen')]],
  how: () => BOOKED.map(w => [w, t('visit_how', w)]),
  class: () => chosenFrom.classes.map(w => [w, t('class', w)]),
  days: () => WEEKDAYS.map(w => [w, t('weekday', w)]),
}[name] || (() => []))();
const usualOf = name => ({ people: '1', how: 'announced', class: visitHow() === 'standing' ? 'helper' : 'visitor' }[name] || '');

function visitDigit(digit) {
  if (visiting === 'list') return visitRow(digit);
  if (visiting === 'delivery' && !firm) return firmAt(Number(digit || 10) - 1);
  if (visiting === 'delivery') return buildingDigit(digit);
  const choice = visitAsk && choicesOf(visitAsk)[Number(digit) - 1];
  if (!choice) return;
  pickVisit(visitAsk, choice[0]);
  if (visitAsk === 'days') render();
  else nextVisit();
}
// visitEnter is Enter where no field and no button has it.
function visitEnter() {
  if (visiting === 'delivery' && firm && chosenFrom.buildings.includes(typedBuilding)) deliver(typedBuilding);
  else if (isForm()) nextVisit();
}

// whenOf reads a day, a time or both, as the gate takes them.
const gateDay = (days = 0) => new Date(Date.parse(gateTime.slice(0, 10) + 'T00:00:00Z') + days * 86400000).toISOString().slice(0, 10);
function whenOf(text) {
  const m = /^(?:(\d{4})[-./年](\d\d?)[-./月](\d\d?)日?)?\s*(\d\d?:\d\d)?$/.exec(text), two = n => n.padStart(2, '0');
  return !text || !m ? text : [m[1] ? [m[1], two(m[2]), two(m[3])].join('-') : gateDay(), m[4] ? m[4].padStart(5, '0') : ''].filter(Boolean).join(' ');
}

// theForm is what the gate is asked for.
function theForm() {
  const how = visitHow(), f = { how };
  for (const name of visitQuestions()) {
    const value = entered(name);
    if (!value || name === 'how') continue;
    f[name] = { host: hostOf, from: whenOf, until: whenOf, entries: Number, people: Number, document: () => true, plate: s => s.toUpperCase(), times: s => s.replace(/[–—−~～]/, '-') }[name]?.(value) ?? value;
  }
  return f;
}
async function sendVisit() {
  const lane = laneTo('in'), book = visiting === 'book';
  if (lost || sending || !chosenFrom) return;
  visitFaults = Object.fromEntries(visitQuestions().filter(lacks).map(name => [name, p('unanswered')]));
  if (entered('entries') && !(Number(entered('entries')) >= 1)) visitFaults.entries = t('visit_fault', 'entries');
  if (Object.keys(visitFaults).length) return askVisit(Object.keys(visitFaults)[0]);
  const said = reasons(t('visit_how', visitHow()), entered('host'));
  const data = await sendsVisit(book ? 'api/visit' : 'api/arrive', book ? theForm() : { lane, ...theForm() });
  if (!data) return;
  if (!book) return arrived(data, 'in', said);
  closeVisit();
  showPrint(data, '');
}
// sendsVisit sends what was entered, once; what is wrong stands beside it.
async function sendsVisit(path, body) {
  [sending, visitFaults, wentBy] = [body.visit || true, {}, null];
  const of = visiting;
  render();
  const r = await post(path, body);
  sending = false;
  if (r.ok && r.data.verdict !== 'hold') passed = r.data.passage; // an older view may come still
  receiveHolds(view.holds || []); // of whoever waits all the same
  if (!r.ok && visiting === of) visitFaults = faultsOf(r);
  else if (!r.ok) toast(Object.values(faultsOf(r))[0]);
  const first = visitQuestions().find(name => visitFaults[name]);
  if (first) askVisit(first);
  else render();
  return r.ok ? r.data : null;
}
function faultsOf(r) {
  const of = {};
  if (r.status !== 400) return { '': r.status === 0 ? p('not-sent') : r.status === 503 ? p(r.data.reason === 'not-ready' ? 'not-ready' : 'no-ledger') : p('failed') + ': ' + (r.data.error || r.status) };
  for (const line of (r.data.error || '').replace(/^not accepted: /, '').split('\n')) {
    const word = (/^(?:--)?([a-z_]+)/.exec(line) || [])[1], name = word === 'it' ? 'until' : word;
    of[visitQuestions().includes(name) ? name : ''] = WORDS.visit_fault[word] ? t('visit_fault', word) : line;
  }
  return of;
}
// passing tells of somebody whom the guard lets through at this moment: they do not wait.
const passing = o => o.passage === passed || sending && o.visit && (o.visit === sending || o.permit && ['walk-in', 'delivery', 'taxi'].includes(o.permit.how));
// arrived is what became of somebody who was entered at a lane.
function arrived(out, direction, text) {
  closeVisit();
  awaited(out, direction, text);
}
// awaited says what became of somebody who passes by a visit; who has to wait is selected.
function awaited(out, direction, text) {
  if (out.verdict === 'hold') {
    wanted = out.passage;
    choose(wanted); // if it is there already
  } else {
    wentBy = { verdict: out.verdict, direction, text: reasons(text, p(out.verdict), out.verdict === 'refuse' && t('reason', out.reason)), at: stamp() };
    sound(out.verdict);
  }
  render();
}

// Deliveries: the firm, then the building.
function firmAt(i) {
  const f = chosenFrom && chosenFrom.firms[i];
  if (!f || lost || sending) return;
  [panel, asking, hand] = [false, '', null];
  [visiting, visitKeys, visitAsk, firm, typedBuilding, visitFaults] = ['delivery', true, '', f.word, '', {}];
  render();
}
function buildingDigit(digit) {
  const typed = typedBuilding + digit, list = chosenFrom.buildings.filter(b => b.startsWith(typed));
  typedBuilding = list.length ? typed : '';
  if (list.length === 1 && list[0] === typed) return deliver(typed);
  if (!list.length) visitFaults = { '': p('no-building') + ' ' + typed };
  render();
}
async function deliver(host) {
  if (lost || sending || !firm) return;
  const said = listed('firms', firm), data = await sendsVisit('api/arrive', { lane: laneTo('in'), how: 'delivery', firm, host });
  typedBuilding = '';
  if (data) arrived(data, 'in', reasons(said, hostText(host)));
}

// The digits of a visit, as whoever comes says them.
async function sendDigits(lane) {
  const code = (drafts['visit-code'] || '').normalize('NFKC').replace(/\s/g, '');
  if (!/^\d{6}$/.test(code)) return toast(p('six-digits'));
  drafts['visit-code'] = $('visit-code').value = '';
  document.activeElement.blur();
  const out = await act('api/code', { lane, code });
  if (out && out.verdict === 'hold') awaited(out, 'in', '');
}
document.getElementById('code').onsubmit = e => {
  e.preventDefault();
  if (!lost && view && lanesTo('in').length) sendDigits(laneTo('in'));
};
document.getElementById('visit-code').oninput = e => { drafts['visit-code'] = e.target.value; };

// ---- a hold by a visit ----

const atOnce = (o, verdict) => o && o.visit && verdict === 'admit' ? 'visitor-confirmed' : ATONCE[verdict];
// othersOf are the other reasons: the one that the first key gives already makes room for what it gives else.
const othersOf = o => OTHERS.map(([verdict, reason]) => [verdict, reason === atOnce(o, verdict) ? ATONCE[verdict] : reason]);
// headsOf is how many of a group the second key admits at once; 0: it is none, or the last of them stands there.
function headsOf(o) {
  const n = o && o.group && o.permit && !o.refused ? Math.min(5, o.direction === 'out' ? o.permit.inside : o.permit.left) : 0;
  return n > 1 ? n : 0;
}
// permitText is what the visit says of them.
function permitText(o) {
  const v = o.permit, more = o.direction === 'out' ? v.inside : v.left;
  return reasons(t('visit_how', v.how), t('consent', v.consent), v.state !== 'open' && t('visit_state', v.state), p('until') + ' ' + dayTime(v.until),
    o.group && p(o.direction === 'out' ? 'still-inside' : 'still-to-come') + ' ' + more);
}
const dayTime = time => gateTime && time.slice(0, 10) === gateTime.slice(0, 10) ? time.slice(11, 16) : clock10(time).slice(5);
