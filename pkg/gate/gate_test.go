// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var at = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// index opens to one image per platform.
type index []string

func (i index) Open(context.Context, string) (*image.Set, error) {
	set := &image.Set{Source: evidence.SourceOCI}
	for _, s := range i {
		p, err := evidence.ParsePlatform(s)
		if err != nil {
			return nil, err
		}
		set.Images = append(set.Images, &image.Image{Subject: evidence.Subject{Reference: "oci:x", ImageID: "sha256:" + s, Platform: p}, Config: &v1.ConfigFile{}})
	}
	return set, nil
}

// scanFunc is a scanner whose behaviour a test chooses: hanging, failing.
type scanFunc func(ctx context.Context) (*evidence.Evidence, error)

func (f scanFunc) Scan(ctx context.Context, _ *image.Image, _ *Database, _ ScanRequest) (*evidence.Evidence, error) {
	return f(ctx)
}

func clean(context.Context) (*evidence.Evidence, error) {
	uid := int64(1)
	return &evidence.Evidence{
		Image:    evidence.ImageFacts{User: evidence.User{Configured: "1", UID: &uid, GID: &uid}},
		Packages: []evidence.Package{{Name: "m", Version: "1", Type: "gobinary", Class: evidence.ClassLanguage}},
		Coverage: evidence.Coverage{Packages: map[string]int{"gobinary": 1}},
		Database: evidence.DatabaseState{Digest: "sha256:x", Schema: 2, UpdatedAt: &at},
	}, nil
}

func gateOf(platforms index, s scanFunc) *Gate {
	return &Gate{Images: platforms, Scanner: s, Grace: time.Millisecond,
		OpenDatabase: func(context.Context) (*OpenedDatabase, error) { return &OpenedDatabase{}, nil }}
}

func policyOf(t *testing.T, platforms string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("version: 1\nname: t\nplatforms: "+platforms+"\nrules: {config: [{id: u, user: non-root}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlatforms(t *testing.T) {
	all := index{"linux/amd64", "linux/arm64"}
	cases := map[string]struct {
		image  index
		policy string
		flag   string
		want   string // subjects, or "usage", or a status
	}{
		"all of an index":                     {all, "all", "", "linux/amd64 linux/arm64"},
		"the policy's list":                   {all, "[linux/arm64]", "", "linux/arm64"},
		"narrower than all":                   {all, "all", "linux/amd64", "usage"},
		"narrower than the list":              {all, "[linux/amd64, linux/arm64]", "linux/amd64", "usage"},
		"the list again":                      {all, "[linux/amd64]", "linux/amd64", "linux/amd64"},
		"more than the list":                  {all, "[linux/amd64]", "linux/amd64,linux/arm64", "linux/amd64 linux/arm64"},
		"the only platform, named":            {index{"linux/amd64"}, "all", "linux/amd64", "linux/amd64"},
		"another architecture":                {index{"linux/amd64"}, "all", "linux/s390x", "ERROR"},
		"required by the policy, and missing": {index{"linux/amd64"}, "[linux/amd64, linux/s390x]", "", "ERROR"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			req := Request{Reference: "oci:x", Policy: policyOf(t, c.policy), EffectiveTime: at}
			for _, s := range strings.Split(c.flag, ",") {
				if s != "" {
					p, err := evidence.ParsePlatform(s)
					if err != nil {
						t.Fatal(err)
					}
					req.Platforms = append(req.Platforms, p)
				}
			}
			v, err := gateOf(c.image, clean).Check(t.Context(), req)
			var usage *UsageError
			if errors.As(err, &usage) {
				if c.want != "usage" || usage.Hint == "" {
					t.Fatalf("usage error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range v.Subjects {
				got = append(got, s.Evidence.Subject.Platform.String())
			}
			if c.want == string(verdict.Errored) {
				if v.Status != verdict.Errored {
					t.Errorf("%s, want ERROR", v.Status)
				}
				return
			}
			if strings.Join(got, " ") != c.want || v.Status != verdict.Passed {
				t.Errorf("%s of %v, want %s", v.Status, got, c.want)
			}
			if len(v.Subjects)+len(v.NotExamined) != len(c.image) {
				t.Errorf("not examined: %v", v.NotExamined)
			}
		})
	}
}

// A parser that never returns must not keep the verdict back, nor make it a pass.
func TestScannerThatNeverReturns(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	stuck := func(context.Context) (*evidence.Evidence, error) { <-block; return clean(context.Background()) }
	req := Request{Reference: "oci:x", Policy: policyOf(t, "all"), EffectiveTime: at}

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	v, err := gateOf(index{"linux/amd64"}, stuck).Check(ctx, req)
	if err != nil || v.Status != verdict.Errored || len(v.Problems) != 1 || v.Problems[0].Area != evidence.AreaLimit {
		t.Errorf("time-out: %+v %v", v, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := gateOf(index{"linux/amd64"}, stuck).Check(ctx, req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFailuresAreErrors(t *testing.T) {
	req := Request{Reference: "oci:x", Policy: policyOf(t, "all"), EffectiveTime: at}
	g := gateOf(index{"linux/amd64"}, func(context.Context) (*evidence.Evidence, error) { return nil, errors.New("broken") })
	if v, err := g.Check(t.Context(), req); err != nil || v.Status != verdict.Errored {
		t.Errorf("failed scan: %s %v", v.Status, err)
	}
	g = gateOf(index{"linux/amd64"}, func(context.Context) (*evidence.Evidence, error) { panic("nil map") })
	if v, err := g.Check(t.Context(), req); err != nil || v.Status != verdict.Errored || v.ExitCode() != 3 || len(v.Problems) != 1 {
		t.Errorf("panic: %+v %v", v, err)
	}
	g = gateOf(nil, clean)
	if v, err := g.Check(t.Context(), req); err != nil || v.Status != verdict.Errored {
		t.Errorf("no image: %s %v", v.Status, err)
	}
}
