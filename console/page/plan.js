// Levels that were announced, or lie ready. Whom one would overturn the gate is asked, which records that somebody looked.
'use strict';

let plan = null; // {entry, list, at: when it came}; null: none asked for, or it stood long enough

async function askPlan(entry) {
  if (plan && plan.entry === entry) plan = null;
  else {
    const list = await act('api/plan', { entry });
    if (list) plan = { entry, list, at: stamp() };
  }
  render();
}
function dropPlan() { if (plan && (since(plan.at) > FOUND_MS || lost)) plan = null; }

// The notice on which a level rests is shown at a touch, until the next one; what it says the gate is asked.
let notice = null; // {entry, text: null while it is asked for, at: when it was touched}; null: none
async function showNotice(entry) {
  const mine = notice = notice && notice.entry === entry ? null : { entry, text: entry ? null : '', at: stamp() };
  render();
  if (!mine || !entry) return;
  const said = await act('api/notice', { entry });
  mine.text = said ? said.text : '';
  render();
}
function renderNotice() {
  if (notice && (lost || since(notice.at) > FOUND_MS)) notice = null;
  const l = notice && (view.levels || []).find(l => l.entry === notice.entry && l.state === 'in-force');
  $('notice').hidden = !l;
  paint($('notice'), l && [l, notice.text], () => !l ? [] : [h('b', {}, reasons(l.place, t('level', l.level))),
    ...(l.entry ? [l.oral ? p('oral') : reasons(l.number, l.issuer), notice.text === null ? '…' : notice.text, p('until') + ' ' + (l.until ? clock10(l.until) : p('further-notice'))] : [p('settings')])
      .filter(Boolean).map(text => h('p', {}, text))]);
}
function renderComing() {
  const list = (view.levels || []).filter(l => l.state !== 'in-force');
  const planned = plan && list.some(l => l.entry === plan.entry) ? plan : null;
  paint($('coming'), [list, planned], () => list.length ? [h('h2', {}, p('coming')), ...list.flatMap(l => [
    h('div', { class: 'late' }, l.place && l.place + ' ', h('b', {}, t('level', l.level)), ' ', l.from ? clock10(l.from) : p('prepared'), ' ',
      button('plan-' + l.entry, planned && planned.entry === l.entry ? p('back') : p('plan'), () => askPlan(l.entry))),
    ...planned && planned.entry === l.entry ? overturned(planned.list) : []])] : []);
}
// overturned are residents by number, and others by name, with whom to call.
function overturned(list) {
  if (!list.length) return [h('p', { class: 'none' }, p('plan-nobody'))];
  return list.map(o => h('div', { class: 'late' }, ...way(o.direction), ' ', h('b', {}, o.name || o.people + ' ' + t('class', o.class)), o.phone && ' ' + o.phone,
    h('small', {}, reasons(o.name && t('class', o.class), o.whereabouts === 'inside' && p('inside'), t('verdict', o.was) + ' → ' + t('verdict', o.is)))));
}
