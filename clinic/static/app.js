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

// -- cover: paint, then ask the server to lock, then replace this document --
// The page that answers an address of a locked session is made by the server; what is painted here only comes first.
const cover = document.querySelector('[data-cover]');
const lockForm = document.getElementById('lock');
const lockButton = document.querySelector('[data-cover-now]');
const covered = () => document.body.hasAttribute('data-covered');
const touched = new Set(); // forms with typing that no server has
const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('clinic') : null;
const here = () => location.replace(location.pathname);

// Which form goes with the lock: the one somebody typed in, else the empty one.
const posts = (form) => form.isConnected && form.getAttribute('method') === 'post';
const typedIn = () => (lockButton && [...touched].find(posts)) || lockForm;

const sendByForm = (form) => {
  // The answer carries what was typed, sealed; so this must be the document that shows it.
  if (!form.getAttribute('id')) form.setAttribute('id', 'typed');
  lockButton.setAttribute('form', form.getAttribute('id'));
  form.requestSubmit(lockButton);
};
const pause = (ms) => new Promise((later) => { setTimeout(later, ms); });
// A tab that was told to cover comes second: its typing then waits in its own page and never in the place of the other's.
const locked = async () => {
  for (let tries = 0; tries < 15 && await ask() === 204; tries += 1) await pause(200);
};
const lock = async () => {
  const form = typedIn();
  const body = new FormData(form);
  body.set('lock-at', lockForm.querySelector('input[name=lock-at]').value);
  for (;;) {
    try {
      const reply = await fetch(lockForm.action, { method: 'POST', body, redirect: 'error' });
      touched.delete(form);
      if (reply.status !== 204 && form !== lockForm) return sendByForm(form);
      if (typedIn() === lockForm) return here();
      return lock();
    } catch {
      await pause(2000); // covered all the while
    }
  }
};
const paint = () => {
  if (covered()) return false;
  document.body.setAttribute('data-covered', '');
  document.title = cover.dataset.cover;
  cover.showModal();
  return true;
};
const coverNow = (tell = true) => {
  if (!cover || !paint()) return;
  if (!tell) return locked().then(lock);
  tabs?.postMessage('cover');
  lock();
};
if (cover) {
  const key = document.body.dataset.coverKey;
  let last = -1000;
  document.addEventListener('keydown', (event) => {
    if (covered()) return event.preventDefault();
    if (event.key !== key || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const twice = event.timeStamp - last < 600;
    last = event.timeStamp;
    if (key === 'Escape' && !twice) return; // once closes what is open
    event.preventDefault();
    coverNow();
  }, { capture: true });
  lockButton?.addEventListener('click', (event) => {
    if (covered()) return;
    event.preventDefault();
    coverNow();
  });
  cover.addEventListener('cancel', (event) => event.preventDefault());
}

// -- the session is the server's: this page asks, and asking keeps nothing awake --
const ask = async () => {
  const url = document.body.dataset.session ?? document.querySelector('[data-locked]')?.dataset.locked;
  if (!url) return 0;
  try {
    return (await fetch(url, { cache: 'no-store', redirect: 'error' })).status;
  } catch {
    return 0; // no network: the next time
  }
};
const look = async () => {
  const status = await ask();
  if (cover && (status === 423 || status === 401)) coverNow(false); // takes what was typed along
  const waiting = document.querySelector('[data-locked] form');
  if (waiting && status === 204) waiting.submit(); // opened in another tab
  if (waiting && status === 401) here();
};
if (tabs) {
  tabs.addEventListener('message', (event) => { if (event.data === 'cover') coverNow(false); else look(); });
  tabs.postMessage('look'); // a page came: signed in, out, locked or open, the others ask what holds now
}
setInterval(look, 20000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });

// -- the staff layer closes after five minutes without a touch --
const firstLayer = document.body.dataset.firstLayer;
if (firstLayer) {
  const QUIET = Number(page.dataset.quiet ?? 300) * 1000;
  let timer = 0;
  const close = async () => {
    for (const form of touched) await form.keepTyping?.();
    if (![...touched].some((form) => form.isConnected)) {
      document.cookie = 'clinic_by_itself=1; path=/; max-age=5; samesite=strict'; // nobody is here: not a touch
      location.replace(firstLayer);
    } else coverNow(); // typing that has no autosave is not thrown away: it goes with the lock
  };
  const wake = () => {
    clearTimeout(timer);
    timer = setTimeout(close, QUIET);
  };
  for (const kind of ['pointerdown', 'pointermove', 'keydown', 'scroll', 'input']) addEventListener(kind, wake, { passive: true });
  wake();
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

// -- keying in from paper: number keys choose in a group, Enter goes to the next question --
for (const form of all('form[data-keys]')) {
  const group = (one) => all(`[name="${CSS.escape(one.name)}"]`, form);
  let typed = '';
  let last = -1000;
  const choose = (one, digit, at) => {
    const members = group(one);
    typed = at - last < 700 ? typed + digit : digit; // 1 and 0 is ten
    last = at;
    const named = (text) => members.find((member) => member.value === text);
    // A scale shows its numbers; everything else is counted from one.
    const found = one.closest('[role=radiogroup]') ? named(typed) ?? named(typed = digit) : members[Number(digit) - 1];
    if (!found) return;
    found.focus();
    if (found.type === 'checkbox' || !found.checked) found.click();
  };
  form.addEventListener('keydown', (event) => {
    const one = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^\d$/.test(event.key) && (one.type === 'radio' || one.type === 'checkbox')) {
      event.preventDefault();
      choose(one, event.key, event.timeStamp);
    }
    if (event.key === 'Enter' && one.matches('input, select')) {
      event.preventDefault();
      const stops = all('input, select, textarea, button', form).filter((next) => next.type !== 'hidden'
        && !next.disabled && next.offsetParent && (next.name !== one.name || !one.name));
      stops.find((next) => one.compareDocumentPosition(next) & Node.DOCUMENT_POSITION_FOLLOWING)?.focus();
    }
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

// -- typing is kept 1.5 s after it stops; leaving with unkept typing asks first, covering does not --
document.addEventListener('input', (event) => { if (event.target.form) touched.add(event.target.form); });
document.addEventListener('submit', (event) => touched.delete(event.target));
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
    if (covered() || edits === kept) return;
    const upTo = edits;
    report('saving');
    try {
      const reply = await fetch(form.dataset.autosaveUrl, { method: 'POST', body: new FormData(form), redirect: 'error' });
      if (reply.status === 401 || reply.status === 423) return look();
      if (!reply.ok) throw new Error(String(reply.status));
      kept = upTo;
      if (edits === kept) touched.delete(form);
      report('saved');
    } catch {
      report('offline');
    }
  };
  if (form.dataset.autosaveUrl) form.keepTyping = keep;
  form.addEventListener('input', () => {
    edits += 1;
    clearTimeout(timer);
    if (form.dataset.autosaveUrl) timer = setTimeout(keep, 1500);
  });
  form.addEventListener('submit', () => { kept = edits; clearTimeout(timer); });
  addEventListener('beforeunload', (event) => { if (edits !== kept && !covered()) event.preventDefault(); });
}

// -- shortcuts of a form, always with a modifier: data-key="ctrl+enter" on a button or link --
document.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey || event.altKey) || covered()) return;
  const combo = `${event.altKey ? 'alt' : 'ctrl'}+${event.key.toLowerCase()}`;
  const target = document.querySelector(`[data-key="${CSS.escape(combo)}"]`);
  if (!target) return;
  event.preventDefault();
  target.click();
});
