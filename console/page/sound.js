// What the guard hears.
'use strict';

const TONES = { // [Hz, start, length in s, wave]
  admit: [[880, 0, .09, 'sine'], [1320, .1, .16, 'sine']],
  refuse: [[196, 0, .2, 'square'], [196, .28, .32, 'square']],
  hold: [[587, 0, .12, 'triangle'], [587, .18, .12, 'triangle'], [587, .36, .12, 'triangle']],
  official: [[587, 0, .1, 'triangle'], [880, .12, .14, 'triangle'], [587, .5, .1, 'triangle'], [880, .62, .14, 'triangle']],
  fault: [[330, 0, .25, 'sawtooth'], [233, .27, .25, 'sawtooth'], [330, .54, .25, 'sawtooth'], [233, .81, .35, 'sawtooth']],
  hand: [[523, 0, .14, 'triangle'], [784, .2, .14, 'triangle'], [523, .4, .14, 'triangle'], [784, .6, .3, 'triangle']],
  repeat: [[440, 0, .06, 'sine']],
  emergency: [[660, 0, .18, 'square'], [990, .2, .18, 'square'], [660, .4, .18, 'square'], [990, .6, .18, 'square']],
};

// tone is the one that an answer sounds in.
const tone = a => look(a) === 'hold' && official(a) ? 'official' : look(a) === 'not-ours' ? 'repeat' : look(a);

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

