(function () {
  'use strict';
  var form = document.getElementById('filter');
  if (!form) { return; }
  var all = function (selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); };
  var search = document.getElementById('text'), shown = document.getElementById('shown');
  var boxes = all('input[data-filter]', form), selects = all('select[data-filter]', form);
  var entries = all('.entry').map(function (e) {
    return { element: e, data: e.dataset, text: (e.textContent + ' ' + e.dataset.rule).toLowerCase() };
  });
  var holders = all('.rule').concat(all('.group')).filter(function (h) { return h.querySelector('.entry'); });
  function apply() {
    var want = {}, active = false, count = 0;
    boxes.forEach(function (b) {
      if (b.checked) { (want[b.dataset.filter] = want[b.dataset.filter] || []).push(b.value); }
    });
    selects.forEach(function (s) {
      if (s.value) { want[s.dataset.filter] = [s.value]; }
    });
    var words = search.value.toLowerCase().split(' ').filter(function (w) { return w; });
    active = words.length > 0 || Object.keys(want).length > 0;
    entries.forEach(function (e) {
      var on = Object.keys(want).every(function (k) { return want[k].indexOf(e.data[k]) >= 0; }) &&
        words.every(function (w) { return e.text.indexOf(w) >= 0; });
      e.element.hidden = !on;
      if (on) { count++; }
    });
    holders.forEach(function (h) { h.hidden = active && !h.querySelector('.entry:not([hidden])'); });
    shown.textContent = active ? count + ' of ' + entries.length + ' shown' : entries.length + ' shown';
  }
  form.addEventListener('input', apply);
  form.addEventListener('submit', function (e) { e.preventDefault(); });
  form.addEventListener('reset', function () { setTimeout(apply, 0); });
  form.hidden = false;
  apply();
})();
