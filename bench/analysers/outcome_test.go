// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// input is a file as an analyser is given it.
type input struct {
	path string
	mode fs.FileMode
	data []byte
}

func (f input) info() fs.FileInfo { return fileInfo{path.Base(f.path), int64(len(f.data)), f.mode} }

type fileInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (f fileInfo) Name() string       { return f.name }
func (f fileInfo) Size() int64        { return f.size }
func (f fileInfo) Mode() fs.FileMode  { return cmp.Or(f.mode, 0o644) }
func (f fileInfo) ModTime() time.Time { return time.Time{} }
func (f fileInfo) IsDir() bool        { return false }
func (f fileInfo) Sys() any           { return nil }

func dirOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i > 0 {
		return p[:i]
	}
	return ""
}

// result has the fields that are compared.
type result struct {
	OS           ftypes.OS
	Repository   *ftypes.Repository
	PackageInfos []ftypes.PackageInfo
	Applications []ftypes.Application
	Licenses     []ftypes.LicenseFile
	SystemFiles  []string
	BuildInfo    *ftypes.BuildInfo
}

// outcome is what an analyser makes of its input.
type outcome struct {
	json   string
	err    error
	panic  any
	failed map[string]string
}

func (o *outcome) recovered() {
	if p := recover(); p != nil {
		*o = outcome{panic: p}
	}
}

func (o *outcome) String() string {
	switch {
	case o.panic != nil:
		return fmt.Sprintf("panic: %v", o.panic)
	case o.err != nil:
		return "error: " + o.err.Error()
	}
	return fmt.Sprintf("%s\nfailed: %v", o.json, o.failed)
}

// canonical is a result as JSON. After each side's own sort, what that leaves open (equal
// keys, lists that come out of maps) is put in order; nothing and an empty list are one.
func canonical(r *result) string {
	if r == nil {
		return "{}"
	}
	b, err := json.Marshal(r)
	if err != nil {
		return "cannot be JSON: " + err.Error()
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		return "cannot be read back: " + err.Error()
	}
	tree, _ = tidy(tree)
	if tree == nil {
		return "{}"
	}
	b, err = json.MarshalIndent(tree, "", " ")
	if err != nil {
		return "cannot be JSON again: " + err.Error()
	}
	return string(b)
}

// unordered are the lists of which Trivy leaves the order open.
var unordered = []string{"Packages", "PackageInfos", "Applications", "DependsOn", "SystemFiles", "Licenses"}

// tidy leaves out what is empty.
func tidy(v any) (any, bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case string:
		return v, v != ""
	case map[string]any:
		for k, e := range v {
			e, ok := tidy(e)
			if !ok {
				delete(v, k)
				continue
			}
			if l, isList := e.([]any); isList && slices.Contains(unordered, k) && !ofStrings(k, l) {
				slices.SortFunc(l, func(a, b any) int { return cmp.Compare(text(a), text(b)) })
			}
			v[k] = e
		}
		return v, len(v) > 0
	case []any:
		for i := range v {
			v[i], _ = tidy(v[i])
		}
		return v, len(v) > 0
	}
	return v, true
}

// ofStrings is true of a package's licences, whose order counts.
func ofStrings(key string, l []any) bool {
	_, ok := l[0].(string)
	return ok && key == "Licenses"
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// without is a canonical result without what was found in the files that were reported.
func without(canonical string, failed map[string]string) string {
	var tree map[string]any
	if err := json.Unmarshal([]byte(canonical), &tree); err != nil {
		return canonical
	}
	for _, key := range []string{"PackageInfos", "Applications", "Licenses"} {
		l, _ := tree[key].([]any)
		l = slices.DeleteFunc(l, func(e any) bool {
			found, _ := e.(map[string]any)
			path, _ := found["FilePath"].(string)
			_, reported := failed[path]
			return reported
		})
		if delete(tree, key); len(l) > 0 {
			tree[key] = l
		}
	}
	return text(tree)
}
