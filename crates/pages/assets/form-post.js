// Sends the only form of the page. Written for the oldest browsers; without script the button does the same.
(function () {
  var form = document.getElementById("response");
  if (form) {
    form.submit();
  }
})();
