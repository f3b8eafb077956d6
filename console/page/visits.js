// What of the visits stands on the page: the parts that are entered, who is inside or expected, and the print.
'use strict';

const PRINTED_MS = 600000; // digits do not stand for ever

let visitList = null; // {list, at: when it came, open: the visit whose row is open}; null: none asked for, or it stood long enough
let printed = null;   // the newest print: {…, at, back: the part that it came from}
let visitSure = null; // what is pressed a second time to be done: {what, id, at}

async function askVisits() {
  const list = await act('api/visits', {});
  if (list && visiting === 'list') visitList = { list, at: stamp(), open: '' };
  render();
}

// isLookedAt tells of those who are a hold first: nobody but they says that they may come now.
const isLookedAt = v => v.state !== 'open' || ['none', 'own-phone'].includes(v.consent);

// passVisit lets some in or out by their visit; the row stays where it is, so that no digit hits another.
async function passVisit(v, direction, heads) {
  if (lost || sending || !laneTo(direction)) return;
  const out = await sendsVisit('api/pass-visit', { lane: laneTo(direction), visit: v.id, heads, ...direction === 'in' && isLookedAt(v) ? { look: true } : {} });
  if (!out) return;
  if (visitList) visitList.at = stamp();
  if (out.verdict === 'admit' && direction === 'out') v.inside = Math.max(0, v.inside - heads);
  else if (out.verdict === 'admit') [v.inside, v.left] = [v.inside + heads, Math.max(0, v.left - (v.how === 'group' ? heads : 1))];
  if (out.verdict === 'admit') v.said = t('direction', direction) + (heads > 1 ? ' ' + heads : '') + ' ✓';
  awaited(out, direction, reasons(v.name || t('visit_how', v.how), hostText(v.host), heads > 1 && '× ' + heads));
}
// actionsOf are what is done about a visit: direction and heads, the most likely first.
function actionsOf(v) {
  const list = [], n = max => [1, Math.min(5, max)].filter((n, i) => !i || n > 1);
  const group = v.how === 'group';
  if (v.inside && laneTo('out')) list.push(...group ? n(v.inside).map(n => ['out', n]) : [['out', v.inside]]);
  const comes = laneTo('in') && v.state !== 'over' && v.state !== 'late' && (!v.entries || v.left);
  if (comes && (group || !v.inside)) list.push(...group ? n(v.left).map(n => ['in', n]) : [['in', 1]]);
  return list;
}
const actionText = (v, [direction, n]) => v.how === 'group' ? (direction === 'out' ? '−' : '+') + n : direction === 'out' ? p('left') + (n > 1 ? ' ' + n : '') : t('direction', 'in');
function visitRow(digit) {
  const v = visitList && visitList.list[digit - 1], action = v && actionsOf(v)[0];
  if (action) passVisit(v, ...action);
}

// twice is a button that is pressed a second time before it does anything.
function twice(what, id, text, asks, done) {
  const sure = visitSure && visitSure.what === what && visitSure.id === id;
  return h('button', { type: 'button', id: 'visit-' + what, class: sure ? 'sure' : '', onclick: () => {
    if (!sure) visitSure = { what, id, at: performance.now() };
    else if (performance.now() - visitSure.at > 1.5 * TAP_MS) { visitSure = null; done(); }
    render();
  } }, sure ? asks : text);
}
async function endVisit(v) {
  if (await act('api/visit-end', { visit: v.id }) && visitList) {
    [v.state, v.said, visitList.at] = ['over', t('visit_state', 'over'), stamp()];
    render();
  }
}

// ---- the print ----

function showPrint(data, back, old) {
  [visiting, visitKeys, printed] = ['print', false, { ...data, at: stamp(), back, old }];
  render();
}
async function askPrint(path, id) {
  const data = await act(path, { visit: id });
  if (data) showPrint(data, 'list', path === 'api/visit-reprint');
}
// drawPicture draws a PNG, which the page's own policy allows no other way.
async function drawPicture(canvas, png) {
  canvas.hidden = !png;
  if (!png) return;
  const b = await createImageBitmap(new Blob([Uint8Array.from(atob(png), c => c.charCodeAt(0))], { type: 'image/png' }));
  [canvas.width, canvas.height] = [b.width, b.height];
  canvas.getContext('2d').drawImage(b, 0, 0);
  canvas.dataset.drawn = 'yes';
}
async function copyText(text) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch { // a page that is not from this very machine has no clipboard
    const e = h('textarea', { value: text });
    document.body.append(e);
    e.select();
    done = document.execCommand('copy');
    e.remove();
  }
  toast(p(done ? 'copied' : 'not-copied'));
}
const digitsOf = p => p.digits.slice(0, 3) + ' ' + p.digits.slice(3);
async function printOut() {
  const canvas = h('canvas', {});
  $('sheet').replaceChildren(h('h1', {}, view.gate), canvas, printed.picture ? '' : h('h2', {}, digitsOf(printed)), ...printed.chat.split('\n').map(line => h('p', {}, line)));
  await drawPicture(canvas, printed.picture);
  print();
}
function printView() {
  const canvas = h('canvas', { id: 'visit-picture' }), d = printed;
  drawPicture(canvas, d.picture);
  return [d.old ? h('p', { class: 'void' }, p('old-void')) : '', h('div', { class: 'print' }, canvas, h('div', {}, h('b', { id: 'visit-digits' }, digitsOf(d)), h('small', {}, d.from), h('small', {}, p('until') + ' ' + d.until))),
    h('p', { class: 'chat', id: 'visit-chat' }, d.chat), h('div', { class: 'pair act' }, button('visit-copy', p('copy-text'), () => copyText(d.chat)), button('visit-print', p('print'), printOut)),
    button('visit-back', p('back'), () => { const { back } = d; closeVisit(); if (back) openVisit(back); })];
}

// ---- the parts ----

const fault = name => h('small', { class: 'wrong', 'data-fault': name }, visitFaults[name] || '');
function renderVisit() {
  $('visit').inert = $('code').inert = lost;
  $('visit-code').placeholder = p('visit-code');
  const v = $('visit');
  document.querySelector('aside').classList.toggle('visiting', !!visiting);
  renderWent();
  paint(v, [visiting, visitHow(), firm, typedBuilding, chosenFrom, visitList && [visitList.list, visitList.open], printed && [printed.visit, printed.digits], visitSure, visitKeys, sending, view.lanes.map(l => l.id), laneTo('in'), laneTo('out'), isForm() ? '' : visitFaults], () => [
    h('div', { class: 'tabs' }, ...Object.entries(VISIT_TABS).map(([key, tab]) => h('button', { type: 'button', id: 'visit-tab-' + tab, class: visiting === tab ? 'on' : '', onclick: () => openVisit(tab) }, h('kbd', {}, key.toUpperCase()), t('visit_tab', tab)))),
    ...chosenFrom ? ({ '': firmRow, delivery: deliveryView, list: listView, print: printView }[visiting] || formView)() : [h('p', { class: 'none' }, p('finding'))]]);
  for (const e of v.querySelectorAll('.vq')) showQuestion(e);
  for (const e of v.querySelectorAll('[data-fault]')) e.textContent = visitFaults[e.dataset.fault] || '';
}
// renderWent says it over what stands there, so that nothing moves.
function renderWent() {
  paint($('went'), wentBy, () => !wentBy ? [] : [h('div', { class: 'card gone ' + wentBy.verdict }, h('div', { class: 'top' }, h('span', { class: 'lane-way' }, ...way(wentBy.direction)),
    h('span', { class: 'name' }, h('bdi', {}, wentBy.text)), icon({ admit: 'admit', refuse: 'refuse' }[wentBy.verdict] || 'repeat', 'mark')))]);
}
function showQuestion(e) {
  const name = e.dataset.question, value = entered(name) || usualOf(name);
  e.classList.toggle('on', visitKeys && name === visitAsk);
  for (const b of e.querySelectorAll('[data-value]')) b.classList.toggle('on', name === 'days' ? value.split(',').includes(b.dataset.value) : value === b.dataset.value);
}

const firmButton = (f, i, key) => h('button', { type: 'button', 'data-firm': f.word, disabled: sending, onclick: () => firmAt(i) }, key ? h('kbd', {}, i === 9 ? 0 : i + 1) : '', chosenText(f));
function firmRow() {
  if (!lanesTo('in').length) return [];
  return [h('div', { class: 'firms' }, h('kbd', {}, 'D'), h('div', {}, ...chosenFrom.firms.map((f, i) => firmButton(f, i))), button('visit-delivery', '…', () => openVisit('delivery')))];
}
function deliveryView() {
  if (!firm) return [h('h2', {}, t('visit_how', 'delivery'), h('small', {}, p('which-firm'))), h('div', { class: 'choices' }, ...chosenFrom.firms.map((f, i) => firmButton(f, i, visitKeys && i < 10))), laneChoice('in'), fault('')];
  const to = (host, text, key) => h('button', { type: 'button', 'data-host': host, disabled: sending, onclick: () => deliver(host) }, key ? h('kbd', {}, host) : '', text);
  return [h('h2', {}, listed('firms', firm) + ' · ' + p('which-building') + (typedBuilding && ' ' + typedBuilding + '…'), h('small', {}, p('digit-or-tap'))),
    h('div', { class: 'choices buildings' }, ...chosenFrom.buildings.map(b => to(b, b + p('building')))),
    h('div', { class: 'choices bodies' }, ...chosenFrom.bodies.map(b => to(b.word, chosenText(b)))), laneChoice('in'), fault('')];
}
// laneChoice is at which of several lanes they stand.
function laneChoice(direction) {
  const list = lanesTo(direction);
  return list.length < 2 ? '' : h('div', { class: 'choices lanes' }, ...list.map(l => h('button', { type: 'button', class: l.id === laneTo(direction) ? 'on' : '',
    onclick: () => { remember('visit-lane-' + direction, l.id); render(); } }, ...way(direction), ' ' + l.id)));
}

// formView has all questions at once; what is answered showQuestion puts in, so that a field stays the same while it is written in.
function formView() {
  return [h('div', { class: 'form ' + visiting }, ...visitQuestions().map(questionView)), visiting === 'book' ? '' : laneChoice('in'), fault(''),
    h('div', { class: 'send' }, h('button', { type: 'button', id: 'visit-send', class: 'yes', disabled: sending, onclick: sendVisit }, h('kbd', {}, 'S'), p(visiting === 'book' ? 'make-print' : 'admit')),
      button('visit-close', p('back'), closeVisit))];
}
function questionView(name) {
  const choices = choicesOf(name), e = h('div', { class: 'vq ' + name, 'data-question': name }), label = p('visit-' + (name === 'entries' && visitHow() === 'group' ? 'heads' : name)), hint = [visitHow() + '-' + name, name].find(n => WORDS.visit_hint[n]), required = VISIT_REQUIRED[visitHow()].includes(name);
  const pick = ([value, text], i) => h('button', { type: 'button', 'data-value': value, onclick: () => { leaveField(); pickVisit(name, value); render(); } },
    name === 'people' ? '' : h('kbd', {}, i + 1), h('span', {}, text));
  if (choices.length) e.append(h('span', { class: 'label' }, label), h('div', { class: 'choices', id: visitId(name) }, ...choices.map(pick)));
  else {
    const field = input(visitId(name), { placeholder: reasons(required && p('required'), hint && t('visit_hint', hint)), maxLength: VISIT_MOST[name], dir: 'auto',
      inputMode: { phone: 'tel', entries: 'numeric' }[name] || 'text', onfocus: () => { [visitKeys, visitAsk] = [true, name]; } });
    if (name === 'host') field.addEventListener('input', () => { delete visitFaults.host; });
    e.append(h('label', { class: 'label', htmlFor: visitId(name) }, label), h('div', {}, field, ...name === 'until' ? [h('div', { class: 'choices' }, ...untils())] : []));
  }
  if (name === 'host') e.append(h('div', { class: 'choices bodies' }, ...chosenFrom.bodies.map(b => quick(chosenText(b), { host: chosenText(b) }))));
  e.append(fault(name));
  return e;
}
const leaveField = () => isField(document.activeElement) && document.activeElement.blur();
// quick fills in fields.
const quick = (text, values) => h('button', { type: 'button', class: 'quick', onclick: () => {
  for (const [name, value] of Object.entries(values)) {
    delete visitFaults[name];
    drafts[visitId(name)] = value;
    if ($(visitId(name))) $(visitId(name)).value = value;
  }
  render();
} }, text);
function untils() {
  if (visitHow() === 'standing') return [['month', 30], ['quarter', 91], ['year', 365]].map(([word, days]) => quick(t('visit_until', word), { until: gateDay(days) }));
  return [quick(t('visit_until', 'today'), { from: '', until: gateDay() }), quick(t('visit_until', 'tomorrow'), { from: gateDay(1), until: gateDay(1) }), quick(t('visit_until', 'week'), { from: '', until: gateDay(7) })];
}

function listView() {
  if (!visitList) return [button('visit-again', p('overdue-list'), () => openVisit('list'))];
  const { list } = visitList, rest = [];
  let head = '';
  list.forEach((v, i) => {
    const is = v.how === 'delivery' && v.inside ? 'deliveries-inside' : v.inside ? 'visits-inside' : 'visits-expected';
    if (is !== head) rest.push(h('h2', {}, p(head = is) + ' ' + list.filter(o => (o.how === 'delivery' && o.inside ? 'deliveries-inside' : o.inside ? 'visits-inside' : 'visits-expected') === is).length));
    rest.push(...rowView(v, i));
  });
  return [...rest, list.length ? '' : h('p', { class: 'none' }, p('no-visits')), laneChoice('in'), laneChoice('out'), fault('')];
}
function rowView(v, i) {
  const key = visitKeys && i < 9 && actionsOf(v).length ? h('kbd', {}, i + 1) : '', open = visitList.open === v.id;
  const when = v.inside ? reasons(v.in && t('direction', 'in') + ' ' + dayTime(v.in), p('visit-due') + ' ' + dayTime(v.due)) : v.how === 'standing' ? reasons(days(v.days), v.times) : dayTime(v.from) + ' – ' + dayTime(v.until);
  const e = [h('div', { class: 'visit-row' + (v.overdue ? ' overdue' : v.presumed_left ? ' presumed' : ''), 'data-visit': v.id },
    h('button', { type: 'button', class: 'who', onclick: () => { [visitList.open, visitList.at] = [open ? '' : v.id, stamp()]; render(); } }, key,
      h('span', {}, h('b', {}, h('bdi', {}, v.name || v.plate || (v.firm ? listed('firms', v.firm) : t('class', v.class)))), ' ', h('bdi', {}, hostText(v.host)), h('small', {}, v.said || reasons(v.overdue && p('visit-overdue'), v.presumed_left && p('presumed-left'), !v.inside && (v.state !== 'open' ? t('visit_state', v.state) : isLookedAt(v) && t('consent', v.consent)), v.how === 'group' && v.inside + ' / ' + v.entries, when)))),
    ...actionsOf(v).map(a => h('button', { type: 'button', class: a[0] === 'out' ? 'leaves' : 'comes' + (isLookedAt(v) ? ' looks' : ''), 'data-act': a.join(''), disabled: sending, onclick: () => passVisit(v, ...a) }, actionText(v, a))))];
  if (open) e.push(detailsView(v));
  return e;
}
const days = list => (list || '').split(',').filter(Boolean).map(d => t('weekday', d)).join(' ');
function detailsView(v) {
  return h('div', { class: 'visit-more' }, h('p', {}, reasons(t('visit_how', v.how), t('class', v.class), t('consent', v.consent), v.purpose && listed('purposes', v.purpose), v.plate, v.entries && v.left + ' / ' + v.entries)),
    v.note ? h('p', {}, h('bdi', {}, v.note)) : '',
    h('div', { class: 'more' }, ...BOOKED.includes(v.how) && v.state !== 'over' ? [button('visit-show', p('show-print'), () => askPrint('api/visit-print', v.id)), twice('reprint', v.id, p('reprint'), p('reprint-sure'), () => askPrint('api/visit-reprint', v.id))] : [],
      v.state === 'over' ? '' : twice('end', v.id, p('end-visit'), p('clock-sure'), () => endVisit(v))));
}
