// The pages of a sheet, drawn while what leaves the room is read already. Without this file a button asks for them.
// The answer is the same page once more with its pictures, which are taken if nothing else of it has changed.

const region = document.querySelector('[data-pages]');
const form = region?.closest('form');
const seen = (root) => root.querySelector('input[name="seen"]')?.value;

const draw = async () => {
  const body = new FormData(form);
  body.set('do', 'pages');
  region.dataset.pages = 'drawing';
  try {
    const reply = await fetch(location.pathname, { method: 'POST', body, cache: 'no-store', redirect: 'error' });
    const page = reply.ok ? new DOMParser().parseFromString(await reply.text(), 'text/html') : null;
    const fresh = page?.querySelector('[data-pages]');
    if (fresh?.querySelector('img') && seen(page) === seen(form) && !document.body.hasAttribute('data-covered')) {
      return region.replaceChildren(...fresh.childNodes);
    }
  } catch {
    // no network: the button asks again
  }
  region.dataset.pages = '';
};

if (region) draw();
