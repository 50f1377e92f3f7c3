(function () {
  "use strict";

  function select(element) {
    var range = document.createRange();
    range.selectNodeContents(element);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  function copied(element) {
    if (navigator.clipboard && window.isSecureContext) {
      return navigator.clipboard.writeText(element.textContent);
    }
    select(element);
    return document.execCommand("copy") ? Promise.resolve() : Promise.reject();
  }

  document.querySelectorAll("button.copy").forEach(function (button) {
    var block = button.closest(".commands");
    var code = block.querySelector("code");
    var said = block.querySelector(".said");
    button.hidden = false;
    button.addEventListener("click", function () {
      copied(code).then(
        function () { said.textContent = "Copied"; },
        function () { select(code); said.textContent = "Selected: copy it with the keyboard"; }
      ).then(function () {
        setTimeout(function () { said.textContent = ""; }, 3000);
      });
    });
  });

  function unfold() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") { each.open = true; }
    }
    if (target) { target.scrollIntoView(); }
  }

  // On paper nothing can be unfolded.
  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.prototype.slice.call(document.querySelectorAll("details.numbers:not([open])"));
    opened.forEach(function (each) { each.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (each) { each.open = false; });
  });

  window.addEventListener("hashchange", unfold);
  if (location.hash) { unfold(); }
})();
