package main

import (
	"bufio"
	"flag"
	"io"
	"net"
	"net/http"
	"runtime"

	"golang.org/x/sys/unix"
)

// The API server listens on the loopback address of this machine only, the kubelet in a network namespace without any
// way in or out. The tunnel joins the two: as the API server's egress proxy (HTTP CONNECT on a Unix socket, see
// EgressSelectorConfiguration) and as the API server's port in the namespace. So no interface of this machine changes,
// and every cluster can use the same addresses.

func init() {
	programs["tunnel"] = runTunnel
}

func runTunnel() {
	namespace := flag.String("namespace", "", "network namespace of the node, as in /proc/PID/ns/net")
	socket := flag.String("proxy-socket", "", "Unix socket of the proxy into the namespace")
	api := flag.String("api", "", "address of the API server, served in the namespace too")
	flag.Parse()

	inside := within(*namespace, func() (net.Listener, error) { return net.Listen("tcp", *api) })
	go serve(inside, func(from net.Conn) error {
		to, err := net.Dial("tcp", *api)
		if err != nil {
			return err
		}
		splice(from, from, to)
		return nil
	})
	proxy, err := net.Listen("unix", *socket)
	check(err)
	serve(proxy, func(from net.Conn) error {
		reader := bufio.NewReader(from)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return err
		}
		to, err := dial(request.RequestURI, *namespace)
		if err != nil {
			_, err = io.WriteString(from, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
			return err
		}
		if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			return err
		}
		splice(from, reader, to)
		return nil
	})
}

// The fake nodes are on this machine's loopback address, everything else is in the namespace.
func dial(address, namespace string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return net.Dial("tcp", address)
	}
	var connection net.Conn
	connect := func() (err error) {
		connection, err = net.Dial("tcp", address)
		return err
	}
	return connection, visit(namespace, connect)
}

func within(namespace string, listen func() (net.Listener, error)) (listener net.Listener) {
	check(visit(namespace, func() (err error) {
		listener, err = listen()
		return err
	}))
	return listener
}

// A socket stays in the namespace of the thread that made it, so only its making has to happen there.
func visit(namespace string, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine and no other one gets it
		done <- enter(namespace, do)
	}()
	return <-done
}

func enter(namespace string, do func() error) error {
	target, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := unix.Setns(target, unix.CLONE_NEWNET); err != nil {
		return err
	}
	return do()
}

func serve(listener net.Listener, handle func(net.Conn) error) {
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			defer connection.Close()
			_ = handle(connection) // the peer sees the end of its connection, as it would on any network
		}()
	}
}

func splice(from net.Conn, reader io.Reader, to net.Conn) {
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, reader)
		closeWrite(to)
	}()
	_, _ = io.Copy(from, to)
}

func closeWrite(connection net.Conn) {
	if half, ok := connection.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
