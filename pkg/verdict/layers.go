// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

const (
	sizeFix  = "build in one stage and copy only the result into another, on a smaller base"
	wasteFix = "delete in the instruction that makes the files; set owner and mode with COPY --chown and --chmod"
)

func (s *subject) layers(r policy.LayerRule) judgement {
	j := judgement{noun: "violation", examined: len(s.evidence.Layers), gaps: s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)}
	l := &layerJudge{subject: s, j: &j}
	demands := 0
	demand := func(on bool, judge func()) {
		if on {
			demands++
			judge()
		}
	}
	demand(r.MaxCount != nil, func() { l.count(*r.MaxCount) })
	demand(r.MaxSize != nil, func() { l.size(*r.MaxSize) })
	demand(r.MaxLayerSize != nil, func() { l.each(*r.MaxLayerSize) })
	demand(r.MaxCompressedSize != nil, func() { l.compressed(*r.MaxCompressedSize) })
	demand(r.MaxWasted != nil, func() { l.wasted(*r.MaxWasted) })
	demand(r.MaxGrowth != nil, func() { l.growth(*r.MaxGrowth) })
	demand(r.CacheOrder, l.cacheOrder)
	if demands == 0 {
		l.unknown("the rule demands nothing that this version understands", "")
	}
	j.met = strings.Join(l.met, ", ")
	j.undecided = strings.Join(l.reasons, "; ")
	return j
}

// layerJudge collects what a rule about layers finds. Each demand that cannot be
// decided leaves a reason, whatever the others find.
type layerJudge struct {
	*subject
	j       *judgement
	met     []string
	reasons []string
}

func (l *layerJudge) unknown(reason, hint string) {
	l.reasons = append(l.reasons, reason)
	l.j.gaps.problems = append(l.j.gaps.problems, evidence.Problem{Area: evidence.AreaScan, What: "layers", Message: reason, Hint: hint})
}

func (l *layerJudge) violation(id, message, fix string) {
	l.j.violations = append(l.j.violations, Violation{Message: message, ID: id, Fix: fix})
}

func (l *layerJudge) count(limit int) {
	n := len(l.evidence.Layers)
	if n == 0 && !l.scratch() {
		l.unknown("the number of layers is not known", "")
		return
	}
	l.met = append(l.met, wording.Count(n, "layer"))
	if n > limit {
		l.violation("max-count", fmt.Sprintf("%s, at most %d allowed", wording.Count(n, "layer"), limit), "join RUN instructions, and copy with few COPY instructions")
	}
}

// scratch says whether the image really has no layers: everything else was found.
func (l *layerJudge) scratch() bool {
	return l.evidence.Waste != nil && len(l.j.gaps.rules) == 0
}

// sum adds up one of the sizes of all layers, if each is known.
func (l *layerJudge) sum(size func(evidence.LayerFacts) int64) (int64, bool) {
	var sum int64
	for _, layer := range l.evidence.Layers {
		n := size(layer)
		if n <= 0 || sum > 1<<62-n {
			return 0, false
		}
		sum += n
	}
	return sum, len(l.evidence.Layers) > 0 || l.scratch()
}

func uncompressed(layer evidence.LayerFacts) int64 { return layer.Size }

// compressed is what a registry stores. An archive without manifests stores layers in
// whatever form.
func compressed(layer evidence.LayerFacts) int64 {
	if layer.MediaType == "" {
		return 0
	}
	return layer.CompressedSize
}

func (l *layerJudge) size(limit int64) {
	n, ok := l.sum(uncompressed)
	if !ok {
		l.unknown("the uncompressed size of a layer is not known", "")
		return
	}
	l.met = append(l.met, wording.Bytes(n)+" uncompressed")
	if n > limit {
		l.violation("max-size", fmt.Sprintf("the layers take %s uncompressed, %s more than %s", wording.Bytes(n), wording.Bytes(n-limit), wording.Bytes(limit)), sizeFix)
	}
}

func (l *layerJudge) compressed(limit int64) {
	n, ok := l.sum(compressed)
	if !ok {
		l.unknown("the stored size of a layer is not known", "judge the image in a registry or an OCI layout, or use max-size")
		return
	}
	l.met = append(l.met, wording.Bytes(n)+" as stored")
	if n > limit {
		l.violation("max-compressed-size", fmt.Sprintf("the layers take %s as they are stored, %s more than %s", wording.Bytes(n), wording.Bytes(n-limit), wording.Bytes(limit)), sizeFix)
	}
}

func (l *layerJudge) each(limit int64) {
	var largest int64
	for i, layer := range l.evidence.Layers {
		if layer.Size <= 0 {
			l.unknown(fmt.Sprintf("the uncompressed size of layer %d is not known", i+1), "")
			continue
		}
		largest = max(largest, layer.Size)
		if layer.Size > limit {
			l.j.violations = append(l.j.violations, Violation{
				Message: fmt.Sprintf("layer %d of %d takes %s uncompressed, more than %s", i+1, len(l.evidence.Layers), wording.Bytes(layer.Size), wording.Bytes(limit)),
				ID:      "max-layer-size", Layer: evidence.Layer{Digest: layer.Digest, DiffID: layer.DiffID},
				Fix: "copy less, or clean up in the instruction that makes the layer",
			})
		}
	}
	if len(l.evidence.Layers) == 0 && !l.scratch() {
		l.unknown("the layers are not known", "")
	}
	l.met = append(l.met, "the largest layer "+wording.Bytes(largest))
}

func (l *layerJudge) wasted(limit policy.Share) {
	w := l.evidence.Waste
	if w == nil || w.Bytes < 0 || w.TotalBytes < w.Bytes {
		l.unknown("what the layers waste is not known", "")
		return
	}
	said := fmt.Sprintf("%s wasted", wording.Bytes(w.Bytes))
	if w.TotalBytes > 0 {
		said += fmt.Sprintf(" (%s of %s)", percentage(w.Bytes, w.TotalBytes), wording.Bytes(w.TotalBytes))
	}
	l.met = append(l.met, said)
	if within(w.Bytes, w.TotalBytes, limit) {
		return
	}
	message := fmt.Sprintf("%s, at most %s allowed", said, limit)
	if len(w.Files) > 0 {
		f := w.Files[0]
		message += fmt.Sprintf("; most by /%s: %s in %s", strings.TrimPrefix(f.Path, "/"), wording.Bytes(f.Bytes), wording.Count(f.Count, "layer"))
	}
	l.violation("max-wasted", message, wasteFix)
}

// within says whether n is at most the share of whole. It does not round.
func within(n, whole int64, limit policy.Share) bool {
	if !limit.Relative {
		return n <= limit.Bytes
	}
	return float64(n)*100 <= float64(whole)*float64(limit.Percent)
}

func percentage(n, whole int64) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(whole)) }

func (l *layerJudge) growth(limit policy.Share) {
	b := l.evidence.Baseline
	switch {
	case b == nil:
		l.unknown("there is no image to compare the size with", "give --baseline IMAGE, such as the last release")
		return
	case b.Problem != "":
		l.unknown("the baseline "+b.Reference+" cannot be compared with: "+b.Problem, "name an image that can be read with --baseline")
		return
	}
	now, before, measure, ok := l.measure(*b)
	if !ok {
		l.unknown("the sizes of the image and of its baseline are not known in the same measure", "")
		return
	}
	than := fmt.Sprintf("%s of %s %s", wording.Bytes(before), cmp.Or(b.Reference, b.Digest), measure)
	grown := now - before
	if grown <= 0 {
		l.met = append(l.met, fmt.Sprintf("%s, not more than the %s", wording.Bytes(now), than))
		return
	}
	said := fmt.Sprintf("%s, %s (%s) more than the %s", wording.Bytes(now), wording.Bytes(grown), percentage(grown, before), than)
	l.met = append(l.met, said)
	if !within(grown, before, limit) {
		l.violation("max-growth", fmt.Sprintf("%s; at most %s allowed", said, limit), "find what came in since "+cmp.Or(b.Reference, "the baseline")+", and leave it out")
	}
}

// measure finds sizes that are known of both images, uncompressed ones first.
func (l *layerJudge) measure(b evidence.Baseline) (now, before int64, measure string, ok bool) {
	if n, known := l.sum(uncompressed); known && b.Size > 0 {
		return n, b.Size, "uncompressed", true
	}
	if n, known := l.sum(compressed); known && b.CompressedSize > 0 {
		return n, b.CompressedSize, "compressed", true
	}
	return 0, 0, "", false
}
