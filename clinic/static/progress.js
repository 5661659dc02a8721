// A pack on its way: asks how far it is and writes it into the page. Without this file the page reloads itself.
// The answer is the same page again, made by the server; asking keeps nobody awake.

const ASK = 1000; // ms
const SAY = 10000; // ms between two things said aloud
const region = document.querySelector('[data-progress]');
const aloud = document.querySelector('[data-announce]');
const pause = (ms) => new Promise((later) => { setTimeout(later, ms); });
const text = (root, name) => root.querySelector(`[data-part="${name}"]`)?.textContent.trim() ?? '';

const put = (fresh) => {
  for (const part of region.querySelectorAll('[data-part]')) {
    const now = text(fresh, part.dataset.part);
    if (part.textContent.trim() !== now) part.textContent = now;
  }
  const bar = region.querySelector('progress');
  const to = fresh.querySelector('progress');
  if (bar && to && bar.value !== to.value) bar.value = to.value;
};

// Focus goes on only from where it would be lost: a button of this card, or nowhere.
const finish = (fresh) => {
  const free = !document.activeElement || document.activeElement === document.body;
  const inside = region.contains(document.activeElement);
  region.replaceChildren(...fresh.childNodes);
  region.dataset.progress = fresh.dataset.progress;
  const head = region.querySelector('[data-done]');
  if (free || inside) head?.focus();
  aloud.textContent = head?.textContent ?? '';
};

const follow = async () => {
  let said = performance.now();
  while (region.dataset.progress === 'working') {
    await pause(document.hidden ? 4 * ASK : ASK);
    if (document.body.hasAttribute('data-covered')) continue;
    let reply;
    let page;
    try {
      reply = await fetch(location.pathname, { cache: 'no-store', redirect: 'error' });
      page = reply.ok ? new DOMParser().parseFromString(await reply.text(), 'text/html') : null;
    } catch {
      continue; // no network: the next time
    }
    if (document.body.hasAttribute('data-covered')) continue;
    const fresh = page?.querySelector('[data-progress]');
    if (!fresh) {
      if (reply.status === 429 || reply.status >= 500) continue;
      return location.replace(location.pathname); // locked, signed out or gone: the server has the page for it
    }
    if (fresh.dataset.progress !== 'working') return finish(fresh);
    put(fresh);
    if (performance.now() - said > SAY) {
      said = performance.now();
      aloud.textContent = `${text(region, 'count')} ${text(region, 'left')}`;
    }
  }
};

if (region) follow();
