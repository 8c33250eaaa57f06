// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

const (
	// maxRedHatDockerfile is the greatest size of such a file, in bytes.
	maxRedHatDockerfile = 1 << 20
	// maxLabels bounds what labels grow to when variables are put in, in bytes.
	maxLabels = 16 << 20
)

// readLabels evaluates the labels of a Dockerfile that name the component and its
// architecture. The last ones count.
func readLabels(data []byte) (component, arch string, err error) {
	if len(data) > maxRedHatDockerfile {
		return "", "", fmt.Errorf("has %d bytes", len(data))
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return "", "", err
	}
	stages, args, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return "", "", err
	}
	e := evaluator{lex: shell.NewLex(parsed.EscapeToken), values: map[string]string{}}
	for _, cmd := range args {
		for _, a := range cmd.Args {
			e.set(a.Key, a.ValueString())
		}
	}
	for _, stage := range stages {
		for _, cmd := range stage.Commands {
			switch c := cmd.(type) {
			case *instructions.EnvCommand:
				for _, kv := range c.Env {
					e.set(kv.Key, kv.Value)
				}
			case *instructions.LabelCommand:
				if err := e.labels(c.Labels, &component, &arch); err != nil {
					return "", "", err
				}
			}
		}
	}
	switch {
	case component == "":
		return "", "", errors.New("no label names the component")
	case arch == "":
		return "", "", errors.New("no label names the architecture")
	}
	return component, arch, nil
}

// evaluator puts variables in. Their values are as they are written: nothing is put
// into them.
type evaluator struct {
	lex     *shell.Lex
	values  map[string]string
	longest int
	grown   int
}

func (e *evaluator) set(name, value string) {
	e.values[name] = value
	e.longest = max(e.longest, len(value))
}

// Get implements shell.EnvGetter.
func (e *evaluator) Get(name string) (string, bool) { v, ok := e.values[name]; return v, ok }

// Keys implements shell.EnvGetter.
func (e *evaluator) Keys() []string { return slices.Collect(maps.Keys(e.values)) }

func (e *evaluator) labels(labels instructions.KeyValuePairs, component, arch *string) error {
	for _, l := range labels {
		key, err := e.evaluate(l.Key)
		if err != nil {
			return err
		}
		switch strings.ToLower(key) {
		case "com.redhat.component", "bzcomponent":
			*component, err = e.evaluate(l.Value)
		case "architecture":
			*arch, err = e.evaluate(l.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluator) evaluate(word string) (string, error) {
	variables := strings.Count(word, "$")
	if e.grown += len(word) + variables*e.longest; e.grown > maxLabels || variables > 0 && replaces(word) {
		return "", fmt.Errorf("labels that may grow to any size: %s", excerpt([]byte(word)))
	}
	r, err := e.lex.ProcessWordWithMatches(word, e)
	if err != nil {
		return "", fmt.Errorf("the label %s: %w", excerpt([]byte(word)), err)
	}
	return r.Result, nil
}

// replaces finds ${NAME/old/new}, which multiplies what is put in.
func replaces(word string) bool {
	for {
		_, rest, ok := strings.Cut(word, "${")
		if !ok {
			return false
		}
		if end := strings.IndexAny(rest[min(1, len(rest)):], "/:}#%+-?"); end >= 0 && rest[1+end] == '/' {
			return true
		}
		word = rest
	}
}
