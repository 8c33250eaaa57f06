// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const mib = int64(1) << 20

// layered is good evidence with layers of so many MiB, stored at half the size.
func layered(sizes ...int64) evidence.Evidence {
	return with(func(ev *evidence.Evidence) {
		ev.Layers, ev.Waste = nil, &evidence.Waste{}
		for i, n := range sizes {
			ev.Layers = append(ev.Layers, evidence.LayerFacts{DiffID: fmt.Sprintf("sha256:%d", i), Size: n * mib, CompressedSize: n * mib / 2,
				MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Verification: evidence.LayerVerified})
			ev.Waste.TotalBytes += n * mib
		}
	})
}

func wasting(ev evidence.Evidence, bytes int64) evidence.Evidence {
	ev.Waste.Bytes = bytes
	ev.Waste.Files = []evidence.WastedFile{{Path: "app/a", Count: 2, Bytes: bytes}}
	return ev
}

func against(ev evidence.Evidence, b evidence.Baseline) evidence.Evidence {
	b.Reference = "app:1"
	ev.Baseline = &b
	return ev
}

func layerRule(r policy.LayerRule) policy.Rule {
	return policy.Rule{ID: "lean", Group: policy.GroupLayers, Action: policy.ActionFail, Layers: &r}
}

func TestLayers(t *testing.T) {
	bytes := func(n int64) *int64 { return &n }
	percent := func(n int) *policy.Share { return &policy.Share{Relative: true, Percent: n} }
	size := func(n int64) *policy.Share { return &policy.Share{Bytes: n} }
	archive := func(ev evidence.Evidence) evidence.Evidence {
		for i := range ev.Layers {
			ev.Layers[i].MediaType = ""
		}
		return ev
	}
	scratch := with(func(ev *evidence.Evidence) { ev.Layers, ev.Waste = nil, &evidence.Waste{} })
	unread := with(func(ev *evidence.Evidence) { ev.Layers = nil })
	unsized := layered(1, 0)

	cases := map[string]struct {
		rule policy.LayerRule
		ev   evidence.Evidence
		want []string
	}{
		"count":                   {policy.LayerRule{MaxCount: ptr(2)}, layered(1, 1), []string{"pass"}},
		"too many":                {policy.LayerRule{MaxCount: ptr(1)}, layered(1, 1), []string{"2 layers, at most 1 allowed"}},
		"none":                    {policy.LayerRule{MaxCount: ptr(1), MaxSize: bytes(0), MaxLayerSize: bytes(0), MaxWasted: percent(0)}, scratch, []string{"pass"}},
		"none that anybody knows": {policy.LayerRule{MaxCount: ptr(1)}, unread, []string{"error"}},
		"size":                    {policy.LayerRule{MaxSize: bytes(3 * mib)}, layered(1, 2), []string{"pass"}},
		"size of unread":          {policy.LayerRule{MaxSize: bytes(3 * mib)}, unread, []string{"error"}},
		"too large":               {policy.LayerRule{MaxSize: bytes(3*mib - 1)}, layered(1, 2), []string{"the layers take 3 MiB uncompressed, 1 B more than 3 MiB"}},
		"unknown size":            {policy.LayerRule{MaxSize: bytes(10 * mib)}, unsized, []string{"error"}},
		"a large layer":           {policy.LayerRule{MaxLayerSize: bytes(mib)}, layered(1, 2), []string{"layer 2 of 2 takes 2 MiB uncompressed, more than 1 MiB"}},
		"each small":              {policy.LayerRule{MaxLayerSize: bytes(2 * mib)}, layered(1, 2), []string{"pass"}},
		"each of unknown":         {policy.LayerRule{MaxLayerSize: bytes(2 * mib)}, unsized, []string{"error"}},
		"each of unread":          {policy.LayerRule{MaxLayerSize: bytes(2 * mib)}, unread, []string{"error"}},
		"large, and one unknown":  {policy.LayerRule{MaxLayerSize: bytes(mib)}, layered(2, 0), []string{"layer 1 of 2 takes 2 MiB uncompressed, more than 1 MiB"}},
		"compressed":              {policy.LayerRule{MaxCompressedSize: bytes(2 * mib)}, layered(2, 2), []string{"pass"}},
		"too compressed":          {policy.LayerRule{MaxCompressedSize: bytes(mib)}, layered(2, 2), []string{"the layers take 2 MiB as they are stored, 1 MiB more than 1 MiB"}},
		"not compressed":          {policy.LayerRule{MaxCompressedSize: bytes(10 * mib)}, archive(layered(2, 2)), []string{"error"}},
		"wasted percent":          {policy.LayerRule{MaxWasted: percent(10)}, wasting(layered(10), mib), []string{"pass"}},
		"wasted more":             {policy.LayerRule{MaxWasted: percent(10)}, wasting(layered(10), mib+1), []string{"1 MiB wasted (10.0% of 10 MiB), at most 10% allowed; most by /app/a: 1 MiB in 2 layers"}},
		"wasted bytes":            {policy.LayerRule{MaxWasted: size(mib)}, wasting(layered(10), mib), []string{"pass"}},
		"wasted more bytes":       {policy.LayerRule{MaxWasted: size(mib)}, wasting(layered(10), 2*mib), []string{"2 MiB wasted (20.0% of 10 MiB), at most 1 MiB allowed; most by /app/a: 2 MiB in 2 layers"}},
		"waste not known":         {policy.LayerRule{MaxWasted: percent(10)}, good(), []string{"error"}},
		"impossible waste":        {policy.LayerRule{MaxWasted: percent(10)}, with(func(ev *evidence.Evidence) { ev.Waste = &evidence.Waste{Bytes: -1} }), []string{"error"}},

		"growth":               {policy.LayerRule{MaxGrowth: percent(10)}, against(layered(11), evidence.Baseline{Size: 10 * mib}), []string{"pass"}},
		"no growth":            {policy.LayerRule{MaxGrowth: percent(0)}, against(layered(9), evidence.Baseline{Size: 10 * mib}), []string{"pass"}},
		"too much growth":      {policy.LayerRule{MaxGrowth: percent(10)}, against(layered(12), evidence.Baseline{Size: 10 * mib}), []string{"12 MiB, 2 MiB (20.0%) more than the 10 MiB of app:1 uncompressed; at most 10% allowed"}},
		"growth in bytes":      {policy.LayerRule{MaxGrowth: size(mib)}, against(layered(12), evidence.Baseline{Size: 10 * mib}), []string{"12 MiB, 2 MiB (20.0%) more than the 10 MiB of app:1 uncompressed; at most 1 MiB allowed"}},
		"compressed growth":    {policy.LayerRule{MaxGrowth: percent(10)}, against(layered(24), evidence.Baseline{CompressedSize: 10 * mib}), []string{"12 MiB, 2 MiB (20.0%) more than the 10 MiB of app:1 compressed; at most 10% allowed"}},
		"different measures":   {policy.LayerRule{MaxGrowth: percent(10)}, against(archive(layered(1)), evidence.Baseline{CompressedSize: 10 * mib}), []string{"error"}},
		"no baseline":          {policy.LayerRule{MaxGrowth: percent(10)}, layered(1), []string{"error"}},
		"an empty baseline":    {policy.LayerRule{MaxGrowth: percent(10)}, against(layered(1), evidence.Baseline{}), []string{"error"}},
		"a broken baseline":    {policy.LayerRule{MaxGrowth: percent(10)}, against(layered(1), evidence.Baseline{Size: 10 * mib, Problem: "gone"}), []string{"error"}},
		"one demand undecided": {policy.LayerRule{MaxCount: ptr(9), MaxGrowth: percent(10)}, layered(1), []string{"error"}},
		"one demand violated":  {policy.LayerRule{MaxCount: ptr(0), MaxGrowth: percent(10)}, layered(1), []string{"1 layer, at most 0 allowed"}},

		"no demand":     {policy.LayerRule{}, layered(1), []string{"error"}},
		"a failed scan": {policy.LayerRule{MaxCount: ptr(9)}, problematic(layered(1), evidence.AreaIntegrity), []string{"error"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := outcome(decide(rules(layerRule(c.rule)), c.ev), "lean")
			if diff := cmp.Diff(c.want, fileMessages(o)); diff != "" {
				t.Errorf("%s: %s", o.Summary, diff)
			}
			if o.Summary == "" {
				t.Error("no summary")
			}
		})
	}
}

func TestCacheOrder(t *testing.T) {
	stage := func(instructions ...string) evidence.Stage {
		var s evidence.Stage
		for i, text := range instructions {
			var in evidence.Instruction
			in.Line = i + 2
			if _, err := fmt.Sscanf(text, "%s", &in.Keyword); err != nil {
				t.Fatal(err)
			}
			in.Arguments = text[len(in.Keyword)+1:]
			if in.Keyword == "COPY--from" {
				in.Keyword, in.Flags = "COPY", []string{"--from=build"}
			}
			s.Instructions = append(s.Instructions, in)
		}
		return s
	}
	named := func(name, base string, s evidence.Stage) evidence.Stage {
		s.Name, s.Base = name, base
		return s
	}
	cases := map[string]struct {
		stages []evidence.Stage
		lines  []int
		result verdict.Result
	}{
		"in order":             {[]evidence.Stage{stage("COPY package.json package-lock.json ./", "RUN npm ci", "COPY . .")}, nil, verdict.Pass},
		"out of order":         {[]evidence.Stage{stage("WORKDIR /app", "COPY . .", "RUN npm ci --omit=dev")}, []int{3}, verdict.Warn},
		"in JSON":              {[]evidence.Stage{stage(`COPY [".", "/app/"]`, `RUN ["npm", "--prefix", "install"]`)}, []int{2}, verdict.Warn},
		"add":                  {[]evidence.Stage{stage("ADD ./ /app", "RUN cd /app && pip install -r requirements.txt")}, []int{2}, verdict.Warn},
		"go":                   {[]evidence.Stage{stage("COPY . .", "RUN CGO_ENABLED=0 go mod download")}, []int{2}, verdict.Warn},
		"maven":                {[]evidence.Stage{stage("COPY . .", "RUN ./mvnw -B dependency:go-offline")}, []int{2}, verdict.Warn},
		"bare yarn":            {[]evidence.Stage{stage("COPY . .", "RUN yarn --frozen-lockfile && yarn build")}, []int{2}, verdict.Warn},
		"no installation":      {[]evidence.Stage{stage("COPY . .", "RUN go build ./... && npm run build; yarn build")}, nil, verdict.Pass},
		"of another stage":     {[]evidence.Stage{stage("COPY--from . .", "RUN npm ci")}, nil, verdict.Pass},
		"stages by themselves": {[]evidence.Stage{stage("COPY . ."), stage("RUN npm ci"), stage("COPY . /x", "RUN bundle install")}, []int{2}, verdict.Warn},
		"after it was right":   {[]evidence.Stage{stage("COPY package.json .", "RUN npm ci", "COPY . .", "RUN npm ci")}, []int{4}, verdict.Warn},
		"built on another":     {[]evidence.Stage{named("src", "", stage("COPY . .")), named("mid", "Src", stage("USER 1")), named("", "mid", stage("RUN npm ci"))}, []int{2}, verdict.Warn},
		"beside another":       {[]evidence.Stage{named("src", "", stage("COPY . .")), named("", "node", stage("RUN npm ci"))}, nil, verdict.Pass},
		"no stages":            {nil, nil, verdict.Error},
	}
	warning := asWarning(layerRule(policy.LayerRule{CacheOrder: true}))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ev := layered(1)
			ev.Dockerfile = &evidence.Dockerfile{Path: "Dockerfile", Stages: c.stages}
			o := outcome(decide(rules(warning), ev), "lean")
			var lines []int
			for _, v := range o.Violations {
				lines = append(lines, v.Line)
			}
			if o.Result != c.result || !cmp.Equal(c.lines, lines) {
				t.Errorf("%s %v: %s", o.Result, lines, o.Summary)
			}
		})
	}
	v := decide(rules(warning), layered(1))
	if o := outcome(v, "lean"); o.Result != verdict.Error || v.Status != verdict.Passed {
		t.Errorf("without a Dockerfile: %s, %s", o.Result, v.Status)
	}
}
