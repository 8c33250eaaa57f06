// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const (
	inTotoType = "application/vnd.in-toto+json"
	// maxProvenance bounds how many attestations and materials are looked at.
	maxProvenance = 16
)

// statement is an in-toto statement with SLSA provenance v0.2 or v1, as far as it
// names materials.
type statement struct {
	PredicateType string `json:"predicateType"`
	Subject       []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	Predicate struct {
		Materials       []material `json:"materials"`
		BuildDefinition struct {
			ResolvedDependencies []material `json:"resolvedDependencies"`
		} `json:"buildDefinition"`
	} `json:"predicate"`
}

type material struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// provenanceClaims reads the provenance that BuildKit stores beside an image. It
// names all images that the build used, not which of them the result is built on.
func provenanceClaims(ctx context.Context, a surroundings, digest string, limits Limits) ([]evidence.BaseClaim, error) {
	if a.store == nil || digest == "" {
		return nil, nil
	}
	o := &opener{Options: Options{Limits: limits}}
	var claims []evidence.BaseClaim
	read := 0
	for _, d := range a.attestations {
		if d.Annotations["vnd.docker.reference.digest"] != digest {
			continue
		}
		if read++; read > maxProvenance {
			break
		}
		doc, err := o.readDocument(ctx, a.store, d)
		if err != nil {
			return claims, err
		}
		if doc.manifest == nil {
			continue
		}
		for _, l := range doc.manifest.Layers {
			if !strings.HasPrefix(l.Annotations["in-toto.io/predicate-type"], "https://slsa.dev/provenance/") || string(l.MediaType) != inTotoType {
				continue
			}
			materials, err := readProvenance(ctx, a.store, l, digest, limits)
			if err != nil {
				return claims, err
			}
			claims = materialClaims(claims, materials)
		}
	}
	return claims, nil
}

func readProvenance(ctx context.Context, s blobStore, l v1.Descriptor, digest string, limits Limits) ([]material, error) {
	if _, err := v1.NewHash(l.Digest.String()); err != nil || len(l.URLs) > 0 {
		return nil, faultf(KindNotAnImage, "the provenance has no valid digest")
	}
	raw, err := readVerified(ctx, s, l, limits.MaxConfig)
	if err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	var st statement
	if err := json.Unmarshal(raw, &st); err != nil {
		return nil, faultf(KindNotAnImage, "provenance %s: %w", l.Digest, err)
	}
	for _, s := range st.Subject {
		for algorithm, hex := range s.Digest {
			if algorithm+":"+hex == digest {
				return append(st.Predicate.Materials, st.Predicate.BuildDefinition.ResolvedDependencies...), nil
			}
		}
	}
	return nil, nil // about another image
}

// materialClaims makes claims of package URLs: pkg:docker/alpine@3.20?platform=…,
// with a digest in the URL where the Dockerfile has one.
func materialClaims(claims []evidence.BaseClaim, materials []material) []evidence.BaseClaim {
	for _, m := range materials {
		rest, ok := strings.CutPrefix(m.URI, "pkg:docker/")
		if !ok || len(claims) >= maxProvenance {
			continue
		}
		rest, _, _ = strings.Cut(rest, "#")
		path, query, _ := strings.Cut(rest, "?")
		named, version, _ := strings.Cut(path, "@")
		reference, err1 := url.PathUnescape(named)
		version, err2 := url.PathUnescape(version)
		values, err3 := url.ParseQuery(query)
		if err1 != nil || err2 != nil || err3 != nil || isFrontend(reference) {
			continue
		}
		pinned := values.Get("digest")
		if isDigest(version) {
			pinned = version
		} else if version != "" {
			reference += ":" + version
		}
		if pinned != "" {
			reference += "@" + pinned
		} else if hex := m.Digest["sha256"]; hex != "" {
			pinned = "sha256:" + hex
		}
		claims = addClaim(claims, evidence.ClaimProvenance, reference, pinned)
	}
	return claims
}

// isFrontend knows the images that BuildKit itself uses.
func isFrontend(repository string) bool {
	repository = strings.TrimPrefix(repository, "docker.io/")
	return strings.HasPrefix(repository, "docker/dockerfile") || strings.HasPrefix(repository, "docker/buildkit")
}
