// What is asked of whoever waits, before they may be admitted. Answers stand among the drafts until the gate has taken them; the
// gate checks them again.
'use strict';

const BYSIGHT = 'known-unnamed'; // the reason that needs no answers, where the questions may be left out for it
const MOST_ANSWER = 200;         // bytes
const MOST_NAME = 40;            // characters of a second person's name
const FORMS = { number: /^-?\d{1,7}$/, temperature: /^\d\d(\.\d)?$/ };

let asking = ''; // the question that keys answer, by its name; '': none

const questions = o => o && o.ask ? o.ask.questions : [];
const bySight = o => !!(o && o.ask && o.ask.by_sight);
const waiting = passage => (cards.find(c => c.hold.passage === passage && !c.gone && !c.ruled) || {}).hold;
const says = text => text[lang() === 'en' ? 'en' : 'zh'];
const answerId = (o, q) => 'answer-' + o.passage + '-' + q.name;
function given(o, q) {
  const s = (drafts[answerId(o, q)] || '').trim();
  return FORMS[q.kind] ? s.normalize('NFKC').replace('。', '.') : s; // as a Chinese input method writes numbers
}
function range(q) {
  const digits = q.kind === 'temperature' ? 1 : 0;
  return FORMS[q.kind] ? (q.min || 0).toFixed(digits) + ' – ' + (q.max || 0).toFixed(digits) + (digits ? ' ℃' : '') : '';
}

// wrong is what keeps an answer from being taken.
function wrong(o, q) {
  const s = given(o, q);
  if (!s) return q.required ? p('unanswered') : '';
  if (FORMS[q.kind]) return FORMS[q.kind].test(s) && Number(s) >= (q.min || 0) && Number(s) <= (q.max || 0) ? '' : range(q);
  return new TextEncoder().encode(s).length > MOST_ANSWER ? p('answer-too-long') : '';
}
// answers are those that can be taken: a refusal, and whoever is known by sight, need no others.
const answers = o => Object.fromEntries(questions(o).filter(q => given(o, q) && !wrong(o, q)).map(q => [q.name, given(o, q)]));

// answered tells whether a ruling has the answers that it needs; else it says which are missing, and goes to the first.
function answered(o, verdict, reason) {
  const lacks = verdict === 'admit' && reason !== BYSIGHT && !URGENT.includes(reason) ? questions(o).filter(q => wrong(o, q)) : [];
  if (!lacks.length) return true;
  toast(p('answer-first') + ': ' + reasons(...lacks.map(q => says(q) + ' ' + wrong(o, q))));
  askFor(o, lacks[0]);
  return false;
}

// askFor goes to a question, or away from all.
function askFor(o, q) {
  asking = q ? q.name : '';
  document.activeElement.blur();
  render();
  const field = q ? $(answerId(o, q)) : document.querySelector('.card.on .act'); // to what decides, once all was asked
  if (isField(field)) field.focus();
  if (field) field.scrollIntoView({ block: 'nearest' });
}
// askNext goes from one question to the next; at first to what is missing.
function askNext() {
  const o = waiting(chosen), list = questions(o), at = list.findIndex(q => q.name === asking);
  askFor(o, at < 0 ? list.find(q => wrong(o, q)) || list[0] : list[at + 1]);
}

// pick answers a choice or tick; what is ticked already, or chosen and not required, is taken back.
function pick(o, q, value) {
  const id = answerId(o, q);
  drafts[id] = drafts[id] === value && (q.kind === 'tick' || !q.required) ? '' : value;
}
// pickKey is a digit while a choice or tick is asked for. It tells whether it was one.
function pickKey(digit) {
  const o = waiting(chosen), q = questions(o).find(q => q.name === asking);
  if (!q || !['choice', 'tick'].includes(q.kind)) return false;
  const value = q.kind === 'tick' ? ['yes'][digit - 1] : (q.choices[digit - 1] || {}).name;
  if (value) {
    pick(o, q, value);
    askNext();
  }
  return true;
}

const draftsOf = passage => Object.keys(drafts).filter(id => id === 'note-' + passage || id.startsWith('answer-' + passage + '-'));
function forget(passage) { for (const id of draftsOf(passage)) delete drafts[id]; }

// tellAnswering tells the gate of whoever a guard has begun to answer, until it knows: the machine does not let them through meanwhile.
function tellAnswering() {
  for (const c of cards) {
    const passage = c.hold.passage;
    if (c.told || c.gone || c.ruled || !(passage === chosen && (panel || asking)) && !draftsOf(passage).some(id => drafts[id])) continue;
    c.told = true;
    post('api/answering', { passage }).then(r => { c.told = r.status > 0 && r.status < 500; });
  }
}

// askForm is the questions under whoever is selected. What is answered showAnswers puts in, so that a field stays the same while it
// is written in.
function askForm(o) {
  const key = digit => h('kbd', {}, digit);
  const choice = (q, value, digit, text) => h('button', { type: 'button', 'data-value': value, onclick: () => { pick(o, q, value); render(); } }, key(digit), h('span', {}, text));
  return h('div', { class: 'ask' }, ...questions(o).map((q, i) => {
    const label = h('div', { class: 'label' }, i ? '' : key('Q'), says(q), q.required && q.kind === 'choice' ? h('small', {}, p('required')) : '');
    const e = h('div', { class: 'question ' + q.kind, 'data-question': q.name });
    if (q.kind === 'choice') e.append(label, h('div', { class: 'pair', id: answerId(o, q) }, ...q.choices.map((c, i) => choice(q, c.name, i + 1, says(c)))));
    else if (q.kind === 'tick') {
      const b = choice(q, 'yes', 1, says(q));
      b.id = answerId(o, q);
      if (q.required) b.append(h('small', {}, p('required')));
      if (!i) b.prepend(key('Q'));
      e.append(b);
    } else e.append(label, input(answerId(o, q), { placeholder: reasons(q.required ? p('required') : '', range(q)), maxLength: q.kind === 'second-person' ? MOST_NAME : MOST_ANSWER, inputMode: { number: 'numeric', temperature: 'decimal' }[q.kind] || 'text', onfocus: () => { asking = q.name; } }));
    return e;
  }));
}
function showAnswers(card, o) {
  for (const e of card.querySelectorAll('.question')) {
    const q = questions(o).find(q => q.name === e.dataset.question);
    e.classList.toggle('on', q.name === asking);
    e.classList.toggle('wrong', !!given(o, q) && !!wrong(o, q));
    for (const b of e.querySelectorAll('[data-value]')) b.classList.toggle('on', given(o, q) === b.dataset.value);
  }
  const yes = card.querySelector('.act .yes');
  if (yes) yes.classList.toggle('lacks', questions(o).some(q => wrong(o, q)));
}
