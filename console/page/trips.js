// Who is not back from their trip in time. How many the page says; who it is the gate is asked, which records that somebody looked.
'use strict';

let overdue = null; // the list: {list, at: when it came}; null: none asked for, or it stood long enough

async function askOverdue() {
  if (overdue) overdue = null;
  else {
    const list = await act('api/trips', {});
    if (list) overdue = { list, at: stamp() };
  }
  render();
}
function dropOverdue() { if (overdue && (since(overdue.at) > FOUND_MS || lost)) overdue = null; }

function renderOverdue() {
  const n = view.trips_overdue || 0;
  paint($('overdue'), [n, overdue && overdue.list], () => !n && !overdue ? [] : [
    h('h2', {}, p('overdue') + ' ' + n, ' ', button('overdue-list', overdue ? p('back') : p('overdue-list'), askOverdue)),
    ...(overdue ? overdue.list.length ? overdue.list.map(o => h('div', { class: 'late' }, h('b', {}, o.household), ' ', o.name,
      h('small', {}, reasons(p('due') + ' ' + clock10(o.due), lasting(o.minutes_over * 60000))))) : [h('p', { class: 'none' }, p('nobody-overdue'))] : [])]);
}
