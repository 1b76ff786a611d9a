// A whole Kubernetes in one program, for the sandbox: each part is a subcommand that takes its upstream flags.
//
// Nothing here is a stand-in. Each subcommand calls the same constructor as upstream's own main; only the machines under
// the pods are simulated, by KWOK. One binary, because the parts share nearly all of their code: together they are built
// in the time, and kept in the space, of the largest one.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

var parts = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          func() { run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() { run(controllers.NewControllerManagerCommand()) },
	"kube-scheduler":          func() { run(scheduler.NewSchedulerCommand()) },
	"kwok":                    nodes,
	"toxiproxy":               faults,
	"service-account-key":     signingKey,
}

func main() {
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		names := make([]string, 0, len(parts))
		for name := range parts {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: %s PART [FLAGS], where PART is one of: %s\n", os.Args[0], strings.Join(names, ", "))
		os.Exit(2)
	}
	part := os.Args[1]
	os.Args = os.Args[1:]
	parts[part]()
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

func nodes() {
	// The API server's packages register --version on the global set; cobra would add it to KWOK's own and panic.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ExitOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err == nil {
		command := kwok.NewCommand(ctx)
		command.PersistentFlags().AddFlagSet(flags)
		err = command.ExecuteContext(ctx)
	}
	exitOn(err)
}

func faults() {
	flags := flag.NewFlagSet("toxiproxy", flag.ExitOnError)
	host := flags.String("host", "127.0.0.1", "address of the HTTP API")
	port := flags.String("port", "8474", "port of the HTTP API")
	_ = flags.Parse(os.Args[1:]) // ExitOnError: it does not return one
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.New(os.Stderr))
	exitOn(server.Listen(net.JoinHostPort(*host, *port)))
}

// The API server makes its own certificate, but wants to be given the key that signs ServiceAccount tokens.
func signingKey() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	exitOn(err)
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	exitOn(err)
	_, err = os.Stdout.Write(pem)
	exitOn(err)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
