// Passkeys: the browser signs what the server asked, the form brings the answer. Loaded only where one may be used.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const named = (listed = []) => listed.map((one) => ({ ...one, id: bytes(one.id) }));

const ask = async (how, options) => {
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (how === 'get') {
    publicKey.allowCredentials = named(options.allowCredentials);
    return navigator.credentials.get({ publicKey });
  }
  publicKey.user = { ...options.user, id: bytes(options.user.id) };
  publicKey.excludeCredentials = named(options.excludeCredentials);
  return navigator.credentials.create({ publicKey });
};
const plain = (found) => {
  const response = {};
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (found.response[name]) response[name] = text(found.response[name]);
  }
  if (found.response.getTransports) response.transports = found.response.getTransports();
  const { id, type, authenticatorAttachment } = found;
  return { id, rawId: text(found.rawId), type, authenticatorAttachment, response, clientExtensionResults: {} };
};

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const button = form.querySelector('[data-passkey-go]');
  const failed = form.querySelector('[data-passkey-failed]');
  button.addEventListener('click', async () => {
    failed.hidden = true;
    button.setAttribute('aria-disabled', 'true');
    try {
      const found = await ask(form.dataset.passkey, JSON.parse(form.dataset.options));
      form.elements.response.value = JSON.stringify(plain(found));
      form.requestSubmit();
    } catch {
      failed.hidden = false;
      button.removeAttribute('aria-disabled');
    }
  });
}
