// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// instructions are those that the final stage of the Dockerfile is made by, in
// order, the stages that it builds on included.
func (s *subject) instructions() []evidence.Instruction {
	d := s.evidence.Dockerfile
	if d == nil || len(d.Stages) == 0 {
		return nil
	}
	var all []evidence.Instruction
	for i := len(d.Stages) - 1; i >= 0; {
		all = append(slices.Clone(d.Stages[i].Instructions), all...)
		base := d.Stages[i].Base
		i = slices.IndexFunc(d.Stages[:i], func(st evidence.Stage) bool {
			return st.Name != "" && strings.EqualFold(st.Name, base)
		})
	}
	return all
}

// lineOf is the line of the last instruction with the keyword whose arguments
// contain a word; an empty word is in all. 0 where there is none.
func (s *subject) lineOf(keyword, contains string) int {
	for _, i := range slices.Backward(s.instructions()) {
		if i.Keyword == keyword && containsWord(i.Arguments, contains) {
			return i.Line
		}
	}
	return 0
}

// containsWord finds 22 in "80 22/tcp" and not in "2222".
func containsWord(text, word string) bool {
	isPart := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		if (word == "" || start == 0 || !isPart(text[start-1]) || !isPart(word[0])) &&
			(word == "" || end == len(text) || !isPart(text[end]) || !isPart(word[len(word)-1])) {
			return true
		}
		from = start + 1
	}
}

// layerLine is the line of the instruction that made a layer; 0 where that is not
// certain. The history and the Dockerfile are compared from their ends, step by
// step, up to the first that do not agree.
func (s *subject) layerLine(l evidence.Layer) int {
	config := s.evidence.Image.Config
	instructions := s.instructions()
	if config == nil || len(instructions) == 0 {
		return 0
	}
	layer := len(s.evidence.Layers)
	made := 0
	for _, h := range config.History {
		if !h.EmptyLayer {
			made++
		}
	}
	if made != layer {
		return 0
	}
	line := 0
	for i, h := range slices.Backward(config.History) {
		at := len(instructions) - (len(config.History) - i)
		if at < 0 || !agrees(h.CreatedBy, instructions[at]) {
			break
		}
		if h.EmptyLayer {
			continue
		}
		layer--
		if facts := s.evidence.Layers[layer]; l.DiffID != "" && l.DiffID == facts.DiffID || l.DiffID == "" && l.Digest == facts.Digest {
			if line != 0 {
				return 0 // the same layer twice
			}
			line = instructions[at].Line
		}
	}
	return line
}

// agrees says whether a step of the history is the instruction. Commands are
// recorded as they are written; elsewhere variables are filled in.
func agrees(createdBy string, i evidence.Instruction) bool {
	keyword, arguments := step(createdBy)
	if keyword != i.Keyword {
		return false
	}
	if keyword != "RUN" {
		return true
	}
	written := strings.Join(strings.Fields(i.Arguments), " ")
	if cut, ok := strings.CutSuffix(written, "…"); ok {
		return strings.Contains(arguments, cut)
	}
	if rest, ok := strings.CutPrefix(written, "<<"); ok {
		_, written, _ = strings.Cut(rest, " ")
	}
	return written != "" && strings.HasSuffix(arguments, written)
}

// step reads what builders record: "RUN /bin/sh -c apk add curl # buildkit",
// "/bin/sh -c #(nop)  USER app", "/bin/sh -c apk add curl", "COPY a b # buildkit".
func step(createdBy string) (keyword, arguments string) {
	text := strings.Join(strings.Fields(strings.TrimSuffix(createdBy, "# buildkit")), " ")
	if rest, ok := strings.CutPrefix(text, "/bin/sh -c #(nop) "); ok {
		text = rest
	} else if strings.HasPrefix(text, "/bin/sh -c ") || strings.HasPrefix(text, "|") {
		return "RUN", text
	}
	keyword, arguments, _ = strings.Cut(text, " ")
	return strings.ToUpper(keyword), arguments
}
