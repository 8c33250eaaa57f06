// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var later = &evidence.Layer{DiffID: "sha256:late"}

// listed is good evidence with files of interest.
func listed(files ...evidence.File) evidence.Evidence {
	return with(func(ev *evidence.Evidence) {
		ev.Waste = &evidence.Waste{TotalBytes: 1000}
		ev.Files = files
	})
}

func regular(path string, mode evidence.Mode) evidence.File {
	return evidence.File{Path: path, Kind: evidence.FileRegular, Mode: mode, Layer: evidence.Layer{DiffID: "sha256:cc"}}
}

func of(f evidence.File, change func(*evidence.File)) evidence.File {
	change(&f)
	return f
}

func removed(f evidence.File) evidence.File {
	f.RemovedBy = later
	return f
}

func class(path string, c evidence.FileClass) evidence.File {
	return of(regular(path, 0o755), func(f *evidence.File) { f.Classes = []evidence.FileClass{c} })
}

func fileRule(r policy.FileRule) policy.Rule {
	return policy.Rule{ID: "files", Group: policy.GroupFiles, Action: policy.ActionFail, Files: &r}
}

// fileMessages are those of the violations of a rule; an outcome that is not a failure is
// shown as its result.
func fileMessages(o verdict.Outcome) []string {
	if o.Result != verdict.Fail {
		return []string{string(o.Result)}
	}
	var ms []string
	for _, v := range o.Violations {
		ms = append(ms, v.Message)
	}
	return ms
}

func TestFiles(t *testing.T) {
	forbidden := &policy.NoneBut{}
	but := func(globs ...string) *policy.NoneBut { return &policy.NoneBut{Except: globs} }
	all := policy.FileRule{Setuid: forbidden, Setgid: forbidden, Capabilities: forbidden, WorldWritable: forbidden, Devices: forbidden}
	capable := of(regular("bin/ping", 0o755), func(f *evidence.File) { f.Capabilities = []string{"cap_net_raw"} })
	directory := func(mode evidence.Mode) evidence.File {
		return of(regular("srv", mode), func(f *evidence.File) { f.Kind = evidence.FileDirectory })
	}
	device := of(regular("dev/sda", 0o666), func(f *evidence.File) { f.Kind = evidence.FileBlock })
	usrmerge := evidence.File{Path: "bin", Kind: evidence.FileSymlink, Mode: 0o777, Target: "usr/bin"}
	secretClasses := []evidence.FileClass{evidence.ClassPrivateKey, evidence.ClassShell}
	size := func(n int64) *int64 { return &n }
	large := of(regular("build/x", 0o644), func(f *evidence.File) { f.Size = 3 << 20 })

	cases := map[string]struct {
		rule policy.FileRule
		ev   evidence.Evidence
		want []string
	}{
		"nothing":               {all, listed(), []string{"pass"}},
		"setuid":                {all, listed(regular("bin/su", 0o4755)), []string{"/bin/su has the setuid bit (mode 4755, owner 0)"}},
		"both bits":             {all, listed(regular("a", 0o6755)), []string{"/a has the setgid bit (mode 6755, group 0)", "/a has the setuid bit (mode 6755, owner 0)"}},
		"a hard link":           {all, listed(of(regular("a", 0o4755), func(f *evidence.File) { f.Kind = evidence.FileHardlink })), []string{"/a has the setuid bit (mode 4755, owner 0)"}},
		"capabilities":          {all, listed(capable), []string{"/bin/ping has file capabilities (cap_net_raw)"}},
		"world-writable":        {all, listed(regular("x", 0o666)), []string{"/x is world-writable (mode 0666)"}},
		"directory":             {all, listed(directory(0o777)), []string{"/srv is a world-writable directory without the sticky bit (mode 0777)"}},
		"below a directory":     {all, listed(directory(0o777), regular("srv/app/run.sh", 0o666)), []string{"/srv is a world-writable directory without the sticky bit (mode 0777)"}},
		"sticky directory":      {all, listed(directory(0o1777)), []string{"pass"}},
		"setgid directory":      {all, listed(directory(0o2775)), []string{"pass"}},
		"symbolic link":         {all, listed(usrmerge), []string{"pass"}},
		"device":                {all, listed(device), []string{"/dev/sda is a device node (block-device)"}},
		"hidden privileges":     {all, listed(removed(regular("bin/su", 0o4755)), removed(capable), removed(device), removed(regular("x", 0o666))), []string{"pass"}},
		"exceptions":            {policy.FileRule{Setuid: but("/bin/su", "opt/**")}, listed(regular("bin/su", 0o4755), regular("opt/a/b", 0o4755)), []string{"pass"}},
		"other exceptions":      {policy.FileRule{Setuid: but("/bin/sud"), Setgid: but("/bin/su")}, listed(regular("bin/su", 0o6755)), []string{"/bin/su has the setuid bit (mode 6755, owner 0)"}},
		"through a link":        {policy.FileRule{Setuid: but("/bin/su")}, listed(usrmerge, regular("usr/bin/su", 0o4755)), []string{"pass"}},
		"through a gone link":   {policy.FileRule{Setuid: but("/bin/su")}, listed(removed(usrmerge), regular("usr/bin/su", 0o4755)), []string{"/usr/bin/su has the setuid bit (mode 4755, owner 0)"}},
		"only what is asked":    {policy.FileRule{Setgid: forbidden}, listed(regular("bin/su", 0o4755), capable, device), []string{"pass"}},
		"forbidden":             {policy.FileRule{Paths: []string{"/etc/*.pem", "/root/**"}}, listed(regular("etc/a.pem", 0o644), regular("root/x", 0o644), of(regular("root", 0o755), func(f *evidence.File) { f.Kind = evidence.FileDirectory })), []string{`/etc/a.pem is forbidden by "/etc/*.pem"`, `/root/x is forbidden by "/root/**"`}},
		"forbidden by name":     {policy.FileRule{Paths: []string{"/bin/curl"}}, listed(regular("bin/curl", 0o755)), []string{"/bin/curl is forbidden"}},
		"forbidden, by a link":  {policy.FileRule{Paths: []string{"/usr/bin/curl"}}, listed(usrmerge, regular("bin/curl", 0o755)), []string{`/bin/curl is forbidden by "/usr/bin/curl"`}},
		"forbidden and deleted": {policy.FileRule{Paths: []string{"/x"}}, listed(removed(regular("x", 0o644))), []string{"/x is forbidden: deleted in a later layer, but the image still carries it"}},
		"there and replaced":    {policy.FileRule{Paths: []string{"/x"}}, listed(removed(regular("x", 0o644)), regular("x", 0o644)), []string{"/x is forbidden"}},
		"except":                {policy.FileRule{Paths: []string{"/etc/**"}, Classes: secretClasses, Except: []string{"/etc/ok*"}}, listed(regular("etc/ok1", 0o644), class("etc/ok2", evidence.ClassPrivateKey), regular("etc/no", 0o644)), []string{`/etc/no is forbidden by "/etc/**"`}},
		"except is not for privileges": {policy.FileRule{Paths: []string{"/etc/**"}, Setuid: forbidden, Except: []string{"/bin/*"}}, listed(regular("bin/su", 0o4755)),
			[]string{"/bin/su has the setuid bit (mode 4755, owner 0)"}},
		"classes": {policy.FileRule{Classes: secretClasses}, listed(class("bin/sh", evidence.ClassShell), class("k", evidence.ClassPrivateKey), class("sbin/apk", evidence.ClassPackageManager)),
			[]string{"/bin/sh is a shell", "/k is, by its name, a private key"}},
		"deleted classes": {policy.FileRule{Classes: secretClasses}, listed(removed(class("bin/sh", evidence.ClassShell)), removed(class("k", evidence.ClassPrivateKey))),
			[]string{"/k is, by its name, a private key: deleted in a later layer, but the image still carries it"}},
		"hidden": {policy.FileRule{Hidden: []string{"/build/**", "/x"}}, listed(removed(large), removed(regular("x", 0o644)), regular("x", 0o644), regular("build/y", 0o644)),
			[]string{`/build/x matches "/build/**": deleted in a later layer, but the image still carries it`, `/x matches "/x": replaced in a later layer, but the image still carries it`}},
		"hidden and large": {policy.FileRule{MaxHiddenSize: size(2 << 20)}, listed(removed(large), removed(regular("small", 0o644)), of(large, func(f *evidence.File) { f.Path = "kept" })),
			[]string{"/build/x takes 3 MiB, more than 2 MiB: deleted in a later layer, but the image still carries it"}},
		"large enough": {policy.FileRule{MaxHiddenSize: size(3 << 20)}, listed(removed(large)), []string{"pass"}},

		"no demand":            {policy.FileRule{}, listed(), []string{"error"}},
		"only except":          {policy.FileRule{Except: []string{"/x"}}, listed(), []string{"error"}},
		"a broken pattern":     {policy.FileRule{Paths: []string{"/a["}}, listed(), []string{"error"}},
		"nobody looked":        {all, good(), []string{"error"}},
		"an unread layer":      {all, with(func(ev *evidence.Evidence) { ev.Waste = &evidence.Waste{}; ev.Layers[0].Verification = "" }), []string{"error"}},
		"too many":             {all, problematic(listed(), evidence.AreaLimit), []string{"error"}},
		"a failed scan":        {all, problematic(listed(), evidence.AreaScan), []string{"error"}},
		"certain all the same": {all, problematic(listed(regular("bin/su", 0o4755)), evidence.AreaLimit), []string{"/bin/su has the setuid bit (mode 4755, owner 0)"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := outcome(decide(rules(fileRule(c.rule)), c.ev), "files")
			if diff := cmp.Diff(c.want, fileMessages(o)); diff != "" {
				t.Errorf("%s: %s", o.Summary, diff)
			}
			for _, v := range o.Violations {
				if v.ID == "" || v.Path == "" || v.Fix == "" || v.Layer.DiffID == "" {
					t.Errorf("without evidence: %+v", v)
				}
			}
		})
	}
}

// problematic is evidence with a problem.
func problematic(ev evidence.Evidence, area evidence.Area) evidence.Evidence {
	ev.Problems = append(ev.Problems, evidence.Problem{Area: area, Message: "m"})
	return ev
}

// TestLinksInCircles: names of files come to an end.
func TestLinksInCircles(t *testing.T) {
	link := func(path, target string) evidence.File {
		return evidence.File{Path: path, Kind: evidence.FileSymlink, Target: target, Layer: evidence.Layer{DiffID: "sha256:cc"}}
	}
	ev := listed(link("a", "b"), link("b", "a"), link("c", "c/c"), link("d", ".."), link("e", "/"), regular("a/x", 0o4755), regular("c/y", 0o4755), regular("d/z", 0o4755))
	o := outcome(decide(rules(fileRule(policy.FileRule{Setuid: &policy.NoneBut{Except: []string{"/b/x"}}})), ev), "files")
	if len(o.Violations) != 2 {
		t.Errorf("%+v", o.Violations)
	}
}

// FuzzFilesAndLayers: no panic, and no pass without knowledge of the layers.
// TestFiles_ManyLinks: an image cannot hide the forbidden name of a file behind others.
func TestFiles_ManyLinks(t *testing.T) {
	files := []evidence.File{regular("usr/bin/nc", 0o755), of(regular("bin", 0o777), func(f *evidence.File) { f.Kind, f.Target = evidence.FileSymlink, "usr/bin" })}
	rule := fileRule(policy.FileRule{Paths: []string{"/bin/nc"}})
	judge := func() verdict.Result {
		return outcome(decide(&policy.Policy{Rules: []policy.Rule{rule}}, listed(files...)), "files").Result
	}
	if got := judge(); got != verdict.Fail {
		t.Fatalf("through one link: %s", got)
	}
	for i := range 40 {
		files = append([]evidence.File{of(regular(fmt.Sprintf("a%02d", i), 0o777), func(f *evidence.File) { f.Kind, f.Target = evidence.FileSymlink, "usr/bin" })}, files...)
	}
	if got := judge(); got != verdict.Error {
		t.Errorf("through the last of 41 links: %s", got)
	}
}

func FuzzFilesAndLayers(f *testing.F) {
	link := evidence.File{Path: "bin", Kind: evidence.FileSymlink, Target: "usr/bin"}
	for _, ev := range []evidence.Evidence{good(), {}, listed(link, regular("usr/bin/su", 0o6777), removed(class("k", evidence.ClassPrivateKey))), against(layered(1, 2), evidence.Baseline{Size: 1})} {
		b, err := json.Marshal(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "/bin/su", int64(1000), 10)
	}
	f.Fuzz(func(t *testing.T, b []byte, glob string, size int64, percent int) {
		var ev evidence.Evidence
		if json.Unmarshal(b, &ev) != nil {
			return
		}
		except, share := &policy.NoneBut{Except: []string{glob}}, &policy.Share{Relative: true, Percent: percent}
		v := decide(rules(
			fileRule(policy.FileRule{Setuid: except, Setgid: except, Capabilities: except, WorldWritable: except, Devices: except,
				Paths: []string{glob}, Classes: evidence.FileClasses(), Hidden: []string{glob}, MaxHiddenSize: &size}),
			layerRule(policy.LayerRule{MaxCount: &percent, MaxSize: &size, MaxLayerSize: &size, MaxCompressedSize: &size, MaxWasted: share, MaxGrowth: share, CacheOrder: true}),
		), ev)
		if outcome(v, "files").Result == verdict.Pass && ev.Waste == nil {
			t.Fatal("files pass although nobody looked")
		}
		if outcome(v, "lean").Result == verdict.Pass && (ev.Waste == nil || ev.Baseline == nil || ev.Dockerfile == nil) {
			t.Fatal("layers pass although something is missing")
		}
	})
}
