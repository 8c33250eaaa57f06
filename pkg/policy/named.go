// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"path"
	"strings"
)

const (
	// maxNamed and maxNamedBytes bound the files that the documents of a policy name.
	maxNamed      = 1000
	maxNamedBytes = 512 << 20
)

// Unavailable is implemented by errors of a Loader that say nothing about a document:
// the registry that holds it could not be reached. Load returns them as they are.
type Unavailable interface{ Unavailable() bool }

func isUnavailable(err error) bool {
	var u Unavailable
	return errors.As(err, &u) && u.Unavailable()
}

// Beside is how a file is called that the document at source names.
func Beside(source, name string) string {
	if scheme, rest, ok := strings.Cut(source, "://"); ok {
		// A policy in an artifact: oci://host/repository@digest, and its files behind it.
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			if j := strings.IndexByte(rest[i:], '/'); j >= 0 {
				artifact, inside := rest[:i+j], rest[i+j+1:]
				return scheme + "://" + artifact + "/" + path.Join(path.Dir(inside), name)
			}
		}
		return source + "/" + name
	}
	return path.Join(path.Dir(source), name)
}
