// A lane that a guard opens for a time, and shuts with a count of who passed. It is no emergency: what the gate has not recorded opens
// nothing.
'use strict';

// Why, and how many passed, in the order of the digits that say so: the reasons from 1, the heads from 0.
const OPENINGS = ['school-run', 'rush-hour', 'moving-van', 'relay-dead', 'other-need'];
const HEADS = ['0', '1', '2', '3', '4', '5', '10', '20', '50', 'uncounted'];
const REMIND_MS = 300000; // so often the page reminds of a lane that is open,
const FLASH_MS = 10000;   // and for so long

let hand = null; // the lane that digits are for: {lane, entry}, where entry is the opening that they end; 0: they open
const reminded = new Map(); // lane → {entry, n}: of which opening the page reminded how often

const entryOf = l => l.by_hand ? l.by_hand.entry : 0;
const handIs = () => hand ? hand.lane + ' ' + hand.entry : '';
const openFor = l => gateNow() - Date.parse(l.by_hand.since);
const handWhy = l => reasons(clock(l.by_hand.since).slice(0, 5) + ' ' + p('since'), t('by_hand', l.by_hand.reason));
const handText = l => reasons(handWhy(l), p('not-registered'),
  { opening: p('opening'), failed: p('by-hand-failed'), 'by-hand': p('by-hand-do') }[l.by_hand.barrier]);

function takeHand(l) {
  hand = l && !l.latch ? { lane: l.id, entry: entryOf(l) } : null;
  if (hand) {
    [panel, asking] = [false, ''];
    leaveVisit();
  }
  render();
}
// nextHand goes from one lane to the next; the emergency key's own are left out.
function nextHand() {
  const list = view.lanes.filter(l => !l.latch);
  takeHand(list[list.findIndex(l => hand && l.id === hand.lane) + 1]);
}
// dropHand is for a lane that is not any more as it was when the digits were asked for.
function dropHand() {
  if (hand && !view.lanes.some(l => l.id === hand.lane && !l.latch && entryOf(l) === hand.entry)) hand = null;
}
function handDigit(digit) {
  const { lane, entry } = hand;
  if (entry) shut(lane, HEADS[digit]);
  else if (OPENINGS[digit - 1]) openByHand(lane, OPENINGS[digit - 1]);
}
function openByHand(lane, reason) {
  hand = null;
  render();
  return act('api/open', { lane, reason }, 'is-open', 'no-ledger-hand');
}
function shut(lane, heads) {
  hand = null;
  render();
  return act('api/shut', { lane, heads }, 'not-open');
}

// remind tells every five minutes that a lane stands open.
function remind() {
  for (const l of view && !lost ? view.lanes : []) {
    if (!l.by_hand) {
      reminded.delete(l.id);
      continue;
    }
    const n = Math.floor(openFor(l) / REMIND_MS), was = reminded.get(l.id);
    if (was && was.entry === entryOf(l) && n > was.n) sound('hand');
    reminded.set(l.id, { entry: entryOf(l), n });
  }
}
function flashHand() {
  for (const e of document.querySelectorAll('.alarm.hand-open')) {
    const l = view.lanes.find(l => 'heads-' + l.id === e.lastChild.id);
    e.toggleAttribute('data-remind', !!l && !!l.by_hand && openFor(l) >= REMIND_MS && openFor(l) % REMIND_MS < FLASH_MS);
  }
}

// handHeads are the buttons that shut a lane, one for each count.
const handHeads = l => h('div', { id: 'heads-' + l.id, class: 'heads' }, h('kbd', {}, 'H'), p('shut-with') + ' ',
  ...HEADS.map((n, digit) => h('button', { type: 'button', 'data-heads': n, onclick: () => shut(l.id, n) },
    handIs() === l.id + ' ' + entryOf(l) ? h('kbd', {}, digit) : '', n === 'uncounted' ? p('uncounted') : n)));

// handStage is the lane's part of the stage while nobody is answered there.
const handStage = l => h('div', { class: 'trouble hand-open' }, wayOf(l), h('div', { class: 'sign' }, icon('hand', 'shape'),
  h('div', { class: 'say' }, word(p('by-hand')), h('div', { class: 'why' }, reasons(handWhy(l), ['failed', 'by-hand'].includes(l.by_hand.barrier) ? p('open-now') : p('not-registered'))))));

// renderHand asks why a lane is to be opened.
function renderHand() {
  const l = hand && !hand.entry && view.lanes.find(l => l.id === hand.lane);
  paint($('hand'), l && l.id, () => !l ? [] : [h('h2', {}, p('by-hand') + ' · ' + laneName(l), h('small', {}, p('by-hand-ask'))),
    h('div', { class: 'pair' }, ...OPENINGS.map((why, i) => h('button', { type: 'button', 'data-why': why, onclick: () => openByHand(l.id, why) }, h('kbd', {}, i + 1), t('by_hand', why))),
      h('button', { type: 'button', class: 'back', onclick: () => takeHand(null) }, h('kbd', {}, 'Esc'), p('back')))]);
}

// handButton stands with the lane, for a finger.
const handButton = l => h('button', { type: 'button', id: 'hand-' + l.id, class: 'hand-button' + (l.by_hand ? ' open' : ''), disabled: !!l.latch, title: p('by-hand'), 'aria-label': p('by-hand'),
  onclick: () => takeHand(hand && hand.lane === l.id ? null : l) }, icon('hand'), h('span', {}, p(l.by_hand ? 'shut' : 'by-hand')));
