// Who is signed on at this page, which the gate tells with the stream. A name that nothing proves is signed on where the gate takes one.
'use strict';

let session = { name: '', accounts: false, required: false, by_name: true, may_lift: false, locked: [] };
let signing = false;
let shortRoot = '';    // what to copy into the handover book
let notSignedOn = '';  // why the gate did not take who tried
const PASSWORDS = ['manager', 'auditor', 'maintainer'];

function openSignOn() {
  [signing, notSignedOn] = [true, ''];
  // The characters stay as they were when the form opened: a guard copies them by hand while people pass.
  shortRoot = view.short_root.replace(/:(....)(....)(....)/, ': $1 $2 $3 ');
  drafts['duty-name'] = '';
  render();
  $('duty-name').focus();
}
function closeSignOn() {
  signing = false;
  render();
}

// Whoever is signed on at this page acts; else, where PINs are not required, whoever is on duty by name.
function renderDuty() {
  const s = session, on = s.name || (s.required ? '' : view.duty), how = s.name && s.how;
  const office = PASSWORDS.includes(s.role);
  paint($('duty'), [on, how, s.role, s.required, signing && !s.accounts, signing && shortRoot], () => {
    if (signing && !s.accounts) return [nameField(), ...handoverBook()];
    const b = on ? h('button', { type: 'button' }, p(office ? 'signed-on' : 'duty') + ' ', h('b', {}, on), ' ', office ? h('span', { class: 'tag' }, t('role', s.role)) : how === 'pin' ? '' : h('span', { class: 'tag' }, p('unauthenticated')))
      : h('button', { type: 'button', class: 'nobody' }, p(s.required ? 'nobody-signed-on' : 'nobody-on-duty'));
    b.onclick = openSignOn;
    return [b];
  });
  renderSignOn();
}
const nameField = () => input('duty-name', { placeholder: p('duty-name'), maxLength: 60 });
const handoverBook = () => shortRoot ? [h('span', { class: 'short-root' }, p('handover-book') + ' ', h('b', {}, shortRoot))] : [];

// renderSignOn asks for name and PIN, where there are accounts.
function renderSignOn() {
  const s = session, open = signing && s.accounts && !lost;
  $('signon').hidden = !open;
  paint($('signon'), open && [s.name, s.role, s.by_name, notSignedOn, shortRoot], () => !open ? [] : [
    h('h2', {}, p('sign-on')),
    s.name ? h('p', {}, h('b', {}, s.name), ' · ' + t('role', s.role) + ' ', button('sign-off', p('sign-off'), signOff)) : '',
    nameField(),
    // Not among the drafts: it is nowhere but in its field.
    h('input', { id: 'pin', type: 'password', autocomplete: 'off', maxLength: 200, placeholder: p(s.by_name ? 'pin-or-none' : 'pin') }),
    notSignedOn ? h('p', { class: 'bad', role: 'alert' }, notSignedOn) : '',
    ...handoverBook(),
    h('div', { class: 'pair' }, h('button', { id: 'sign-on' }, p('sign-on-do')), h('button', { type: 'button', class: 'back', onclick: closeSignOn }, h('kbd', {}, 'Esc'), p('back')))].filter(Boolean));
}

// signOn is for the form in the header, which asks for a name alone, and for the one that asks for a PIN.
async function signOn(e) {
  e.preventDefault();
  const name = (drafts['duty-name'] || '').trim(), secret = $('pin') ? $('pin').value : '';
  if (!name) return closeSignOn();
  if ($('pin') && !secret && (document.activeElement === $('duty-name') || !session.by_name)) return $('pin').focus();
  const r = await post(secret ? 'api/signon' : 'api/duty', secret ? { name, secret } : { name });
  if (r.ok) {
    connect(); // as somebody else: the gate tells who
    return closeSignOn();
  }
  notSignedOn = r.status === 0 ? p('not-sent') : r.data.reason === 'locked' ? p('locked-until') + ' ' + clock(r.data.until) : r.data.reason ? p('not-signed-on-' + r.data.reason) : r.status === 503 ? p('no-ledger') : p('failed') + ': ' + (r.data.error || r.status);
  if (!$('pin')) toast(notSignedOn);
  else $('pin').value = '';
  render();
  if ($('pin')) $('pin').focus();
}
async function signOff() {
  if (await act('api/signoff', {})) connect();
  closeSignOn();
}

// refused is what to do about an answer that who asks may not have that.
function refused(data) {
  toast({ 'sign-on': p('sign-on-first'), role: p('not-your-role') }[data.reason] || p('failed') + ': ' + data.error);
  if (data.reason === 'sign-on' && !signing) openSignOn();
}
