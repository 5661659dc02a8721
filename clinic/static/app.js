// Secure Base: progressive enhancement only. Every page works with this file missing.
// Hooks are data-* attributes and native ones; no class is ever used as a hook.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const page = document.documentElement;
page.dataset.js = 'on';

// -- dialogs: native command/commandfor where the browser has it, the same markup otherwise --
if (!('command' in HTMLButtonElement.prototype)) {
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[commandfor]');
    const target = button && document.getElementById(button.getAttribute('commandfor'));
    if (!target) return;
    if (button.getAttribute('command') === 'show-modal' && !target.open) target.showModal();
    if (button.getAttribute('command') === 'close') target.close();
  });
}

// -- cover screen: its button, or Escape twice within 600 ms; the tab title is covered too --
const cover = document.querySelector('[data-cover]');
if (cover) {
  const title = document.title;
  let last = -1000;
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.repeat) return;
    const twice = event.timeStamp - last < 600;
    last = twice ? -1000 : event.timeStamp;
    if (cover.open) event.preventDefault(); // only its own button uncovers
    else if (twice) {
      event.preventDefault();
      cover.showModal();
    }
  });
  cover.addEventListener('cancel', (event) => event.preventDefault());
  new MutationObserver(() => {
    document.title = cover.open ? cover.dataset.cover : title;
  }).observe(cover, { attributes: true, attributeFilter: ['open'] });
}

// -- blocks that follow an answer: data-show-when="name op value" --
const holds = {
  is: (values, value) => values.includes(value),
  is_not: (values, value) => !values.includes(value),
  includes: (values, value) => values.includes(value),
  at_least: (values, value) => values.some((one) => one !== '' && Number(one) >= Number(value)),
};
for (const block of all('[data-show-when]')) {
  const [name, op, value] = block.dataset.showWhen.split(' ');
  const form = block.closest('form') ?? document.querySelector('form[data-guard]');
  if (!form || !(op in holds)) continue;
  const sync = () => {
    block.hidden = !holds[op](new FormData(form).getAll(name), value);
  };
  form.addEventListener('change', sync);
  sync();
}

// -- a radio answer can be taken back --
for (const button of all('[data-clear]')) {
  button.addEventListener('click', () => {
    const form = button.closest('form');
    for (const radio of all('input[type=radio]', form)) {
      if (radio.name === button.dataset.clear) radio.checked = false;
    }
    form.dispatchEvent(new Event('input', { bubbles: true }));
    form.dispatchEvent(new Event('change', { bubbles: true }));
  });
}

// -- error summary: takes focus on load; its links land on the control --
document.querySelector('[data-errors]')?.focus();
document.addEventListener('click', (event) => {
  const link = event.target.closest('[data-errors] a[href^="#"]');
  const control = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!control) return;
  event.preventDefault();
  for (let fold = control.closest('details:not([open])'); fold; fold = control.closest('details:not([open])')) fold.open = true;
  (control.closest('.field, .signal, tr') ?? control).scrollIntoView({ block: 'start' });
  control.focus({ preventScroll: true });
});

// -- typing is kept 1.5 s after it stops; leaving with unkept typing asks first --
for (const form of all('form[data-guard]')) {
  const status = form.querySelector('[data-autosave]');
  const text = status?.querySelector('[data-autosave-text]');
  let timer = 0;
  let edits = 0;
  let kept = 0;

  const report = (state) => {
    if (!status) return;
    const time = new Intl.DateTimeFormat(page.lang, { hour: '2-digit', minute: '2-digit' }).format();
    status.dataset.state = state;
    text.textContent = status.dataset[state].replace('{time}', time);
  };
  const keep = async () => {
    const upTo = edits;
    report('saving');
    try {
      const reply = await fetch(form.dataset.autosaveUrl, { method: 'POST', body: new FormData(form), redirect: 'error' });
      if (reply.status === 401) return report('signedout');
      if (!reply.ok) throw new Error(String(reply.status));
      kept = upTo;
      report('saved');
    } catch {
      report('offline');
    }
  };
  form.addEventListener('input', () => {
    edits += 1;
    clearTimeout(timer);
    if (form.dataset.autosaveUrl) timer = setTimeout(keep, 1500);
  });
  form.addEventListener('submit', () => { kept = edits; clearTimeout(timer); });
  addEventListener('beforeunload', (event) => { if (edits !== kept) event.preventDefault(); });
}

// -- shortcuts of a form, always with a modifier: data-key="ctrl+enter" on a button or link --
document.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey || event.altKey) || cover?.open) return;
  const combo = `${event.altKey ? 'alt' : 'ctrl'}+${event.key.toLowerCase()}`;
  const target = document.querySelector(`[data-key="${CSS.escape(combo)}"]`);
  if (!target) return;
  event.preventDefault();
  target.click();
});
