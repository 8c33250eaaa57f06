// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// push pushes the index with the digest, and what it holds, after every byte was compared
// with its digest. It makes no tag: there is nothing that could be moved.
func push(ctx context.Context, dir, digest, repository string) error {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return err
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		return err
	}
	root, err := path.ImageIndex()
	if err != nil {
		return err
	}
	index, err := root.ImageIndex(hash)
	if err != nil {
		return fmt.Errorf("%s does not hold %s: %w", dir, digest, err)
	}
	if err := validate.Index(index); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return remote.WriteIndex(repo.Digest(digest), index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
}
