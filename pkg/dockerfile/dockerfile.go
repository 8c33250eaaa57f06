// SPDX-License-Identifier: Apache-2.0

// Package dockerfile reads Dockerfiles with BuildKit's own parser, as far as rules
// ask about them: stages, base images, instructions and their lines. It does no I/O.
package dockerfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/credential"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

const (
	// MaxSize is the greatest size of a Dockerfile, in bytes.
	MaxSize = 1 << 20
	// maxArguments bounds what is kept of one instruction, in bytes.
	maxArguments = 4096
	// maxWord bounds the name of a base image and the defaults that it is made of:
	// each default may double the one before.
	maxWord    = 1024
	maxMessage = 200
)

// Error says where a Dockerfile is malformed.
type Error struct {
	Path    string
	Line    int
	Message string
}

// Error is "path:line: message".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Message)
}

// Parse reads a Dockerfile. Values that look like credentials are masked. The error
// is an *Error.
func Parse(path string, data []byte) (d *evidence.Dockerfile, err error) {
	if len(data) > MaxSize {
		return nil, &Error{Path: path, Message: fmt.Sprintf("has %d bytes; a Dockerfile has at most %d", len(data), MaxSize)}
	}
	// The parser is BuildKit's, the file anybody's.
	defer func() {
		if r := recover(); r != nil {
			d, err = nil, &Error{Path: path, Message: "the parser cannot cope with it"}
		}
	}()
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, toError(path, err, 0)
	}
	f := &file{lex: shell.NewLex(result.EscapeToken), args: arguments{}, out: &evidence.Dockerfile{Path: path, Stages: []evidence.Stage{}}}
	for _, node := range result.AST.Children {
		if err := f.add(node); err != nil {
			return nil, toError(path, err, node.StartLine)
		}
	}
	if len(f.out.Stages) == 0 {
		return nil, &Error{Path: path, Message: "has no FROM, so it builds nothing"}
	}
	if !f.mask() {
		return nil, &Error{Path: path, Message: fmt.Sprintf("has more than %d words or %d credentials, too many to search", credential.MaxTexts, credential.MaxSecrets)}
	}
	return f.out, nil
}

// file is a Dockerfile on its way.
type file struct {
	lex  *shell.Lex
	args arguments
	out  *evidence.Dockerfile
}

func (f *file) add(node *parser.Node) error {
	parsed, err := instructions.ParseInstruction(node)
	if err != nil {
		return err
	}
	switch c := parsed.(type) {
	case *instructions.Stage:
		f.out.Stages = append(f.out.Stages, evidence.Stage{
			Name: c.Name, Base: f.base(c.BaseName), Line: node.StartLine, Instructions: []evidence.Instruction{},
		})
		return nil
	case *instructions.ArgCommand:
		if len(f.out.Stages) == 0 {
			f.defaults(c)
			return nil
		}
	}
	if len(f.out.Stages) == 0 {
		return fmt.Errorf("%s stands before the first FROM", strings.ToUpper(node.Value))
	}
	stage := &f.out.Stages[len(f.out.Stages)-1]
	stage.Instructions = append(stage.Instructions, instruction(node))
	return nil
}

// arguments are the defaults of the arguments before the first FROM.
type arguments map[string]string

// Get implements shell.EnvGetter.
func (a arguments) Get(name string) (string, bool) { v, ok := a[name]; return v, ok }

// Keys implements shell.EnvGetter.
func (a arguments) Keys() []string { return slices.Sorted(maps.Keys(a)) }

func (f *file) defaults(c *instructions.ArgCommand) {
	for _, a := range c.Args {
		if a.Value == nil {
			continue
		}
		if v, ok := f.resolve(*a.Value); ok {
			f.args[a.Key] = v
		} else {
			delete(f.args, a.Key)
		}
	}
}

// replacement is ${NAME/old/new}, which can grow without bounds; images are not named so.
var replacement = regexp.MustCompile(`\$\{\w*/`)

// resolve puts the arguments' defaults in. It is false where one has none, not even
// of its place, as in ${BASE:-alpine}, or where the result would be longer than any
// name.
func (f *file) resolve(word string) (string, bool) {
	if len(word) > maxWord || replacement.MatchString(word) {
		return "", false
	}
	r, err := f.lex.ProcessWordWithMatches(word, f.args)
	if err != nil || len(r.Result) > maxWord {
		return "", false
	}
	for name := range r.Unmatched {
		rest := strings.NewReplacer("${"+name+":-", "", "${"+name+"-", "").Replace(word)
		if rest == word || regexp.MustCompile(`\$\{?`+regexp.QuoteMeta(name)+`\b`).MatchString(rest) {
			return "", false
		}
	}
	return r.Result, true
}

func (f *file) base(name string) string {
	s, ok := f.resolve(name)
	if !ok {
		return ""
	}
	return credential.Reference(s)
}

// instruction keeps the flags apart, and here-documents on the same line.
func instruction(node *parser.Node) evidence.Instruction {
	text := strings.TrimSpace(node.Original)
	_, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	for _, flag := range node.Flags {
		rest = strings.TrimPrefix(strings.TrimSpace(rest), flag)
	}
	var b strings.Builder
	b.WriteString(rest)
	for _, h := range node.Heredocs {
		b.WriteString("\n" + h.Content)
	}
	i := evidence.Instruction{Keyword: strings.ToUpper(node.Value), Arguments: oneLine(b.String()), Line: node.StartLine}
	for _, flag := range node.Flags {
		i.Flags = append(i.Flags, oneLine(flag))
	}
	return i
}

// mask hides what looks like a credential, and says whether it could.
func (f *file) mask() bool {
	m := credential.New("", nil)
	var texts []*string
	for _, stage := range f.out.Stages {
		for n := range stage.Instructions {
			i := &stage.Instructions[n]
			m.ArgumentsOf(i.Keyword, &i.Arguments)
			texts = append(texts, &i.Arguments)
			for k := range i.Flags {
				m.Text("", "", &i.Flags[k])
				texts = append(texts, &i.Flags[k])
			}
			m.Words("", jsonWords(i.Arguments))
		}
	}
	if m.TooLarge() {
		return false
	}
	m.Mask()
	for _, t := range texts {
		*t = wording.Clip(*t, maxArguments)
	}
	return true
}

// jsonWords are the words of a command in the form of a JSON list.
func jsonWords(arguments string) []string {
	var words []string
	if i := strings.IndexByte(arguments, '['); i >= 0 && json.Unmarshal([]byte(arguments[i:]), &words) != nil {
		return nil
	}
	return words
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
}

// toError keeps the line and, of the message, what is no content of the file.
func toError(path string, err error, line int) *Error {
	e := &Error{Path: path, Line: line, Message: err.Error()}
	if at, ok := errors.AsType[*parser.LocationError](err); ok && line == 0 {
		if ranges := at.Locations; len(ranges) > 0 && len(ranges[0]) > 0 {
			e.Line = ranges[0][0].Start.Line
		}
	}
	if _, ok := errors.AsType[*instructions.UnknownInstructionError](err); ok {
		e.Message = "unknown instruction; is this a Dockerfile?"
	}
	e.Message = wording.Clip(credential.Text(oneLine(e.Message)), maxMessage)
	return e
}
