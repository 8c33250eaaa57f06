// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

const (
	// maxNamed and maxNamedBytes bound the files that the documents of a policy name.
	maxNamed      = 1000
	maxNamedBytes = 512 << 20
)

// readFile reads a file that a document names, once: what is used is what the
// policy's digest covers.
func (c *composer) readFile(d *Document, path string) ([]byte, error) {
	if d.Open == nil {
		return nil, errors.New("this policy can name no files")
	}
	key := fmt.Sprintf("%d %s %q", d.level, d.Source, path)
	if data, ok := c.read[key]; ok {
		return data, nil
	}
	data, err := d.Open(c.ctx, path)
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = []byte{}
	}
	if c.readBytes += len(data); len(c.read) >= maxNamed || c.readBytes > maxNamedBytes {
		return nil, fmt.Errorf("the files that the policy names are more than %d or have more than %d bytes", maxNamed, maxNamedBytes)
	}
	c.read[key] = data
	c.parts = append(c.parts, Part{Level: d.level, Source: d.Source, Path: path, Digest: digestOf(data)})
	return data, nil
}

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
	s := path.Join(path.Dir(source), name)
	if first, _, _ := strings.Cut(s, "/"); path.Dir(source) == "." && strings.Contains(first, ":") {
		return "./" + s // a file, whatever it is called: not ocigate:baseline
	}
	return s
}
