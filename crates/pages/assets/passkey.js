// Asks the browser for a passkey, or to make one, and sends what it says with the form.
//
// The form says what to do in `data-passkey` ("get" or "create") and how in `data-options`: the JSON of WebAuthn Level 3, 5.1.8 and 5.1.9.
(function () {
  "use strict";

  var form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential || !navigator.credentials) {
    return;
  }
  var problem = form.querySelector("[data-passkey-problem]");
  var unsupported = document.querySelector("[data-passkey-unsupported]");
  var button = document.getElementById("passkey");
  form.hidden = false;
  if (unsupported) {
    unsupported.hidden = true;
  }

  function bytesOf(text) {
    var base64 = text.replace(/-/g, "+").replace(/_/g, "/");
    var binary = atob(base64 + "===".slice((base64.length + 3) % 4));
    return Uint8Array.from(binary, function (letter) { return letter.charCodeAt(0); });
  }

  function textOf(buffer) {
    var binary = "";
    new Uint8Array(buffer).forEach(function (byte) { binary += String.fromCharCode(byte); });
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function withBytesInIds(list) {
    return (list || []).map(function (entry) {
      return Object.assign({}, entry, { id: bytesOf(entry.id) });
    });
  }

  function requestOptions(json) {
    return Object.assign({}, json, {
      challenge: bytesOf(json.challenge),
      allowCredentials: withBytesInIds(json.allowCredentials)
    });
  }

  function creationOptions(json) {
    return Object.assign({}, json, {
      challenge: bytesOf(json.challenge),
      user: Object.assign({}, json.user, { id: bytesOf(json.user.id) }),
      excludeCredentials: withBytesInIds(json.excludeCredentials)
    });
  }

  function answerOf(credential) {
    var response = credential.response;
    var answer = { clientDataJSON: textOf(response.clientDataJSON) };
    if (response.attestationObject) {
      answer.attestationObject = textOf(response.attestationObject);
      answer.transports = response.getTransports ? response.getTransports() : [];
    } else {
      answer.authenticatorData = textOf(response.authenticatorData);
      answer.signature = textOf(response.signature);
      if (response.userHandle) {
        answer.userHandle = textOf(response.userHandle);
      }
    }
    return {
      id: credential.id,
      rawId: textOf(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: answer
    };
  }

  function ask() {
    var json = JSON.parse(form.getAttribute("data-options"));
    return form.getAttribute("data-passkey") === "create"
      ? navigator.credentials.create({ publicKey: creationOptions(json) })
      : navigator.credentials.get({ publicKey: requestOptions(json) });
  }

  function start(event) {
    event.preventDefault();
    if (button.disabled || (form.reportValidity && !form.reportValidity())) {
      return;
    }
    button.disabled = true;
    problem.hidden = true;
    Promise.resolve().then(ask).then(function (credential) {
      form.elements.namedItem("credential").value = JSON.stringify(answerOf(credential));
      // The method of the prototype: an input could hide the form's own.
      HTMLFormElement.prototype.submit.call(form);
    }).catch(function () {
      problem.hidden = false;
      button.disabled = false;
    });
  }

  button.addEventListener("click", start);
  form.addEventListener("submit", start);
})();
