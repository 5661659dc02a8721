// The workbench: counting, inserting, and the printed page that follows what is typed. All of it works without this.
const form = document.querySelector('[data-workbench]');
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// -- the open line of the list is in sight, without moving the page --
const open = document.querySelector('.wb-list [aria-current]:not(.chip)');
const list = open?.closest('.units');
if (list) list.scrollTop += open.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 3;

// -- ready to write, after a link into the page has put the focus elsewhere; not where it would call a keyboard up --
const ready = () => {
  const field = document.querySelector('[data-target]');
  if (!field || field === document.activeElement) return;
  field.focus({ preventScroll: true });
  field.setSelectionRange(field.value.length, field.value.length);
};
if (!document.querySelector('[data-errors]') && matchMedia('(hover: hover)').matches) {
  ready();
  if (location.hash === '#edit') addEventListener('load', () => { setTimeout(ready); });
}

// -- characters, as people count them --
const signs = 'Segmenter' in Intl ? new Intl.Segmenter() : null;
const length = (text) => (signs ? [...signs.segment(text)].length : [...text].length);
for (const field of all('[data-target]')) {
  const shown = document.getElementById(`${field.id}-count`);
  const count = () => {
    shown.querySelector('[data-count]').textContent = length(field.value);
    shown.classList.toggle('is-over', Boolean(field.dataset.limit) && length(field.value) > Number(field.dataset.limit));
  };
  field.addEventListener('input', count);
  count();
}

// -- placeholders and glossary words go where the caret is --
let last = document.querySelector('[data-target]');
document.addEventListener('focusin', (event) => { if (event.target.matches('[data-target]')) last = event.target; });
const insert = (text, whole = false) => {
  if (!last) return;
  last.focus();
  if (whole) last.select();
  last.setRangeText(text, last.selectionStart, last.selectionEnd, 'end');
  last.dispatchEvent(new Event('input', { bubbles: true }));
};
const spaced = (word) => { // a word of the glossary does not stick to its neighbours, where words have spaces
  if (!last || /^(zh|ja|th)/.test(last.lang)) return word;
  const before = /[\p{L}\p{N},;:.]$/u.test(last.value.slice(0, last.selectionStart)) ? ' ' : '';
  return before + word + (/^[\p{L}\p{N}]/u.test(last.value.slice(last.selectionEnd)) ? ' ' : '');
};
for (const button of all('[data-insert]')) button.addEventListener('click', () => insert(button.dataset.insert));
for (const button of all('[data-word]')) button.addEventListener('click', () => insert(spaced(button.dataset.word)));
for (const button of all('[data-copy]')) button.addEventListener('click', () => insert(button.dataset.copy, true));

// -- a merge: who writes means it --
for (const field of all('[data-picks]')) {
  field.addEventListener('input', () => {
    const radio = field.form.querySelector(`input[type=radio][value="${field.dataset.picks}"]`);
    if (radio) radio.checked = true;
  });
}

// -- the page follows the typing: a form of its own posts into a fresh frame, so that Back stays Back --
const frame = document.querySelector('[data-paper]');
if (form && frame) {
  const post = document.createElement('form');
  post.method = 'post';
  post.action = frame.dataset.paper;
  post.target = 'paper-next';
  post.hidden = true;
  document.body.append(post);
  let shown = frame;
  let timer = 0;
  let drawing = null;
  const words = () => JSON.stringify(all('[data-target]', form).map((one) => one.value));
  const draw = () => {
    const sent = words();
    drawing?.remove();
    post.replaceChildren();
    for (const name of ['csrf_token', ...all('[data-target]', form).map((one) => one.name)]) {
      const field = document.createElement('textarea');
      field.name = name;
      field.value = form.elements[name].value;
      post.append(field);
    }
    const next = shown.cloneNode();
    drawing = next;
    next.removeAttribute('src');
    next.name = 'paper-next';
    next.style.position = 'absolute';
    next.style.visibility = 'hidden';
    next.style.inlineSize = `${shown.clientWidth}px`;
    shown.after(next);
    next.addEventListener('load', () => {
      if (drawing !== next || !next.isConnected) return;
      shown.remove();
      next.removeAttribute('style');
      next.name = 'paper';
      shown = next;
      drawing = null;
      if (words() !== sent) draw(); // typed on while it was drawn
    });
    post.submit();
  };
  for (const button of all('button[formtarget="paper"]')) {
    button.addEventListener('click', () => { // what was asked for is not overtaken by what was typed before
      clearTimeout(timer);
      drawing?.remove();
      drawing = null;
    });
  }
  form.addEventListener('input', (event) => {
    if (!event.target.matches('[data-target]')) return;
    clearTimeout(timer);
    timer = setTimeout(draw, 700);
  });
}

// -- find a group by its name --
const find = document.querySelector('[data-find]');
if (find) {
  find.hidden = false;
  const [name, left] = find.querySelectorAll('input');
  const narrow = () => {
    const wanted = name.value.trim().toLocaleLowerCase();
    const open = (one) => !left.checked || 'left' in one.dataset;
    for (const one of all('[data-name]')) one.hidden = !(open(one) && one.dataset.name.includes(wanted));
    for (const one of all('main section')) one.hidden = !one.querySelector('[data-name]:not([hidden])');
  };
  find.addEventListener('input', narrow);
  narrow(); // Back keeps what was ticked
}
